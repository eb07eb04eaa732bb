#include "pgeist/steps/methods_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace pgeist::steps {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// The row of a clause.
std::string row_of(const std::string& clause) {
    std::istringstream page(methods_page());
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with("| " + clause + " |")) {
            return line;
        }
    }
    return "no row for " + clause;
}

TEST(steps_methods_page, says_by_which_method_each_clause_is_done) {
    EXPECT_THAT(row_of("ADD COLUMN"), AllOf(HasSubstr("ACCESS EXCLUSIVE on t"), HasSubstr("**native**")));
    EXPECT_THAT(row_of("ALTER COLUMN … TYPE, rows are written anew (int to bigint)"),
                AllOf(HasSubstr("rewrites t"), HasSubstr("**copy**")));
    EXPECT_THAT(row_of("ADD CHECK"), AllOf(HasSubstr("reads all of t"), HasSubstr("**validate**")));
    EXPECT_THAT(row_of("ADD CHECK … NOT VALID"), HasSubstr("**native**"));
    EXPECT_THAT(row_of("ADD UNIQUE"), HasSubstr("**concurrently**"));
    EXPECT_THAT(row_of("ADD EXCLUDE"), HasSubstr("**copy**"));
    EXPECT_THAT(row_of("VALIDATE CONSTRAINT"), AllOf(HasSubstr("SHARE UPDATE EXCLUSIVE"), HasSubstr("**native**")));
    EXPECT_THAT(row_of("CREATE INDEX"), AllOf(HasSubstr("SHARE on t"), HasSubstr("**concurrently**")));
}

TEST(steps_methods_page, tells_versions_apart_only_where_they_differ) {
    EXPECT_THAT(row_of("ALTER COLUMN … SET NOT NULL"), AllOf(HasSubstr("14 to 17: "), HasSubstr("18 to 19: ")));
    EXPECT_THAT(row_of("DROP COLUMN"), Not(HasSubstr("14")));
    EXPECT_THAT(row_of("ADD COLUMN … GENERATED … VIRTUAL"), HasSubstr("18 to 19: "));
}

}  // namespace
}  // namespace pgeist::steps
