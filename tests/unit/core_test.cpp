#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/core/template.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/pg/result.hpp"

namespace pgeist {
namespace {

using std::chrono::milliseconds;

TEST(Identifier, FoldsUnquotedPartsAndKeepsQuotedOnes) {
    EXPECT_EQ(parse_qualified_name("Orders").name, "orders");
    const qualified_name both = parse_qualified_name("App.\"Order\"\"s\"");
    EXPECT_EQ(both.schema, "app");
    EXPECT_EQ(both.name, "Order\"s");
    EXPECT_EQ(parse_qualified_name("\"a.b\"").name, "a.b");
    EXPECT_EQ(parse_qualified_name("größe").name, "größe");
}

TEST(Identifier, RefusesWhatIsNoName) {
    for (const char* bad : {"", "1a", "a.", ".a", "a.b.c", "a b", "\"open", "\"\"", "a;drop table b"}) {
        EXPECT_THROW(static_cast<void>(parse_qualified_name(bad)), usage_error) << bad;
    }
}

TEST(Identifier, QuotesForSqlAndForPeople) {
    EXPECT_EQ((qualified_name{"a\"b", "c"}).sql(), "\"a\"\"b\".\"c\"");
    EXPECT_EQ((qualified_name{"app", "Orders"}).display(), "app.\"Orders\"");
    EXPECT_EQ(quote_literal("it's"), "'it''s'");
    EXPECT_EQ(quote_literal("a\\b'"), "E'a\\\\b'''");
}

TEST(Units, ReadsTimesAndSizesWithTheirUnit) {
    EXPECT_EQ(parse_duration("200ms"), milliseconds(200));
    EXPECT_EQ(parse_duration("1.5s"), milliseconds(1500));
    EXPECT_EQ(parse_duration("30 min"), std::chrono::minutes(30));
    EXPECT_EQ(parse_duration("0"), milliseconds(0));
    EXPECT_EQ(parse_size("64MB"), 64LL << 20);
    EXPECT_EQ(parse_size("1.5kB"), 1536);
    EXPECT_EQ(parse_size("17"), 17);
}

TEST(Units, RefusesGuesses) {
    for (const char* bad : {"200", "5 parsecs", "-1s", "s", "", "1e999s", "nan", "infinity"}) {
        EXPECT_THROW(static_cast<void>(parse_duration(bad)), usage_error) << bad;
    }
    for (const char* bad : {"-1", "MB", "1mb", "99999999TB", "0x10 B", ""}) {
        EXPECT_THROW(static_cast<void>(parse_size(bad)), usage_error) << bad;
    }
}

TEST(Units, FormatsForPeople) {
    EXPECT_EQ(format_count(1234567), "1,234,567");
    EXPECT_EQ(format_count(-1234), "-1,234");
    EXPECT_EQ(format_count(999), "999");
    EXPECT_EQ(format_duration(milliseconds(185'000)), "3m05s");
    EXPECT_EQ(format_size(953LL << 20), "953 MB");
}

TEST(Template, FillsNamesAndLeavesCommentsOut) {
    const std::string text = "-- @job@ is named here\nSELECT @job@, '@job@' FROM @table@;\n";
    EXPECT_EQ(fill_template(text, {{"job", "j"}, {"table", "\"a@b\""}}), "SELECT j, 'j' FROM \"a@b\";\n");
    EXPECT_THROW(static_cast<void>(fill_template("@nothing@", {})), std::logic_error);
}

TEST(Result, ReadsArraysAsTheServerWritesThem) {
    using pg::result;
    EXPECT_EQ(result::parse_array("{}"), std::vector<std::string>());
    EXPECT_EQ(result::parse_array("{a,\"b,c\",\"d\\\"e\\\\f\",NULL,\"NULL\",\"\"}"),
              (std::vector<std::string>{"a", "b,c", "d\"e\\f", "", "NULL", ""}));
    const std::vector<std::string> odd{"", "a\"b", "c\\d", "{,}", "null", " x "};
    EXPECT_EQ(result::parse_array(pg::array_literal(odd)), odd);
}

}  // namespace
}  // namespace pgeist
