#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cli/sql_statements.hpp"

namespace pgeist::cli {
namespace {

using statements = std::vector<std::string>;

TEST(sql_statements, are_cut_at_semicolons) {
    EXPECT_EQ(split_statements("a; b ;\n c"), (statements{"a", "b", "c"}));
    EXPECT_EQ(split_statements(""), statements());
    EXPECT_EQ(split_statements(" ; ;; \n"), statements());
}

TEST(sql_statements, keep_semicolons_in_quotes) {
    EXPECT_EQ(split_statements("a ';' b; c"), (statements{"a ';' b", "c"}));
    EXPECT_EQ(split_statements("a 'it''s;' b; c"), (statements{"a 'it''s;' b", "c"}));
    EXPECT_EQ(split_statements("a \"x;\"\"y\"; c"), (statements{"a \"x;\"\"y\"", "c"}));
    EXPECT_EQ(split_statements("a '\\'; c"), (statements{"a '\\'", "c"})) << "a backslash is nothing special";
    EXPECT_EQ(split_statements("a E'\\';' ; c"), (statements{"a E'\\';'", "c"})) << "but in E'' it is";
    EXPECT_EQ(split_statements("a true'\\'; c"), (statements{"a true'\\'", "c"})) << "the end of a word is no E";
    EXPECT_EQ(split_statements("a $$;$$; c"), (statements{"a $$;$$", "c"}));
    EXPECT_EQ(split_statements("a $x$;$$;$x$; c"), (statements{"a $x$;$$;$x$", "c"}));
    EXPECT_EQ(split_statements("a x$$; c$$"), (statements{"a x$$", "c$$"})) << "a dollar sign in a name";
    EXPECT_EQ(split_statements("a $1; c $2"), (statements{"a $1", "c $2"}));
}

TEST(sql_statements, keep_semicolons_in_comments) {
    EXPECT_EQ(split_statements("a -- x; y\n b; c"), (statements{"a -- x; y\n b", "c"}));
    EXPECT_EQ(split_statements("a /* x; /* y; */ z; */ b; c"), (statements{"a /* x; /* y; */ z; */ b", "c"}));
    EXPECT_EQ(split_statements("-- only; this\n; /* or; this */ ;"), statements());
}

TEST(sql_statements, that_never_end_are_taken_whole) {
    EXPECT_EQ(split_statements("a 'b; c"), statements{"a 'b; c"});
    EXPECT_EQ(split_statements("a \"b; c"), statements{"a \"b; c"});
    EXPECT_EQ(split_statements("a $x$ b; c"), statements{"a $x$ b; c"});
    EXPECT_EQ(split_statements("a /* b; c"), statements{"a /* b; c"});
    EXPECT_EQ(split_statements("a E'\\"), statements{"a E'\\"});
}

}  // namespace
}  // namespace pgeist::cli
