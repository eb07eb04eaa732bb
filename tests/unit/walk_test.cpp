#include <gtest/gtest.h>

#include "pgeist/walk/chunk_sizer.hpp"
#include "pgeist/walk/key_range.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::walk {
namespace {

using std::chrono::milliseconds;

bound at(const std::string& value) { return std::vector<std::string>{value}; }

TEST(Gaps, OfNothingIsEverything) { EXPECT_EQ(gaps({}), (std::vector<key_range>{{std::nullopt, std::nullopt}})); }

TEST(Gaps, OfEverythingIsNothing) {
    EXPECT_TRUE(gaps({{std::nullopt, at("5")}, {at("5"), std::nullopt}}).empty());
    EXPECT_TRUE(gaps({{std::nullopt, std::nullopt}}).empty());
}

TEST(Gaps, AreWhatWorkersHadInFlight) {
    const finished_ranges finished{{std::nullopt, at("10")}, {at("20"), at("30")}, {at("40"), at("50")}};
    const std::vector<key_range> expected{{at("10"), at("20")}, {at("30"), at("40")}, {at("50"), std::nullopt}};
    EXPECT_EQ(gaps(finished), expected);
}

TEST(Gaps, BeginAtTheBeginning) {
    const finished_ranges finished{{at("10"), std::nullopt}};
    EXPECT_EQ(gaps(finished), (std::vector<key_range>{{std::nullopt, at("10")}}));
}

TEST(ChunkSizer, ApproachesTheTarget) {
    chunk_sizer sizer(milliseconds(500), 1000);
    for (int chunk = 0; chunk < 30; ++chunk) {
        sizer.measured(sizer.next(), std::chrono::microseconds(sizer.next() * 20));  // 50,000 rows a second
    }
    EXPECT_NEAR(static_cast<double>(sizer.next()), 25'000, 500);
}

TEST(ChunkSizer, GrowsAtMostTwofoldAndStaysInBounds) {
    chunk_sizer sizer(milliseconds(500), 1000);
    sizer.measured(1000, milliseconds(1));
    EXPECT_EQ(sizer.next(), 2000);
    for (int chunk = 0; chunk < 50; ++chunk) {
        sizer.measured(sizer.next(), milliseconds(1));
    }
    EXPECT_EQ(sizer.next(), chunk_sizer::largest);
    sizer.measured(sizer.next(), std::chrono::hours(1));
    EXPECT_EQ(sizer.next(), chunk_sizer::smallest);
}

TEST(ChunkSizer, ShrinksAtOnceWhenAChunkTookFarTooLong) {
    chunk_sizer sizer(milliseconds(500), 50'000);
    sizer.measured(50'000, milliseconds(500));
    sizer.measured(50'000, milliseconds(5000));
    EXPECT_EQ(sizer.next(), 5'000);
}

TEST(ChunkSizer, KeepsAFixedSize) {
    chunk_sizer sizer = chunk_sizer::fixed(7);
    sizer.measured(100'000, milliseconds(1));
    EXPECT_EQ(sizer.next(), 7);
}

key_column column(const std::string& name, bool descending = false, const std::string& schema = "pg_catalog") {
    key_column out;
    out.read_name = out.write_name = name;
    out.type = "integer";
    const auto op = [&](const char* symbol) { return "OPERATOR(" + schema + "." + symbol + ")"; };
    out.less = op("<");
    out.less_equal = op("<=");
    out.equal = op("=");
    out.greater_equal = op(">=");
    out.greater = op(">");
    out.descending = descending;
    return out;
}

TEST(RangePredicate, OfOneColumn) {
    key key;
    key.columns = {column("id")};
    const bound_sql both = range_predicate(key, {at("1"), at("9")}, side::read, "s");
    EXPECT_EQ(both.sql,
              " WHERE s.\"id\" OPERATOR(pg_catalog.>) CAST($1 AS integer) AND s.\"id\" OPERATOR(pg_catalog.<=) CAST($2 "
              "AS integer)");
    EXPECT_EQ(both.values, (pg::parameters{"1", "9"}));
    EXPECT_EQ(range_predicate(key, {std::nullopt, std::nullopt}, side::read, "s").sql, "");
}

TEST(RangePredicate, OfADescendingKeyGoesDownwards) {
    key key;
    key.columns = {column("id", true)};
    EXPECT_EQ(range_predicate(key, {at("9"), std::nullopt}, side::read, "s").sql,
              " WHERE s.\"id\" OPERATOR(pg_catalog.<) CAST($1 AS integer)");
}

TEST(RangePredicate, OfSeveralColumnsIsARowComparison) {
    key key;
    key.columns = {column("a"), column("b")};
    const key_range range{std::vector<std::string>{"1", "2"}, std::nullopt};
    EXPECT_EQ(range_predicate(key, range, side::read, "s").sql,
              " WHERE ROW(s.\"a\", s.\"b\") OPERATOR(pg_catalog.>) ROW(CAST($1 AS integer), CAST($2 AS integer))");
}

TEST(RangePredicate, OfMixedDirectionsIsSpelledOutWithAnIndexableStart) {
    key key;
    key.columns = {column("a"), column("b", true)};
    const key_range range{std::vector<std::string>{"1", "2"}, std::nullopt};
    EXPECT_EQ(range_predicate(key, range, side::read, "s").sql,
              " WHERE s.\"a\" OPERATOR(pg_catalog.>=) CAST($1 AS integer) AND (s.\"a\" OPERATOR(pg_catalog.>) CAST($1 "
              "AS integer) OR "
              "(s.\"a\" OPERATOR(pg_catalog.=) CAST($1 AS integer) AND (s.\"b\" OPERATOR(pg_catalog.<) CAST($2 AS "
              "integer))))");
}

TEST(RangePredicate, KeepsOperatorsOfOtherSchemasApart) {
    key key;
    key.columns = {column("a"), column("b", false, "public")};
    const key_range range{std::nullopt, std::vector<std::string>{"1", "2"}};
    const std::string sql = range_predicate(key, range, side::read, "s").sql;
    EXPECT_EQ(sql.find("ROW("), std::string::npos);
    EXPECT_NE(sql.find("OPERATOR(public.<=)"), std::string::npos);
}

TEST(OrderBy, NamesTheOperatorsOfTheIndex) {
    key key;
    key.columns = {column("a"), column("b", true)};
    key.columns[0].collation = "pg_catalog.\"C\"";
    EXPECT_EQ(order_by(key, "s"),
              "s.\"a\" COLLATE pg_catalog.\"C\" USING OPERATOR(pg_catalog.<), s.\"b\" USING OPERATOR(pg_catalog.>)");
}

}  // namespace
}  // namespace pgeist::walk
