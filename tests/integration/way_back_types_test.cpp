// Pairs of types: whatever is called fitting goes back to the same bytes, and what is not is named; a value that nobody
// has changed is the old one, whatever the conversion made of it.

#include "pgeist/transfer/image.hpp"
#include "way_back_fixture.hpp"

namespace pgeist::test {
namespace {

struct type_values {
    std::string type;
    std::vector<std::string> values;  ///< literals
};

/// Types that some assignment leads from one to another of, with values at their edges.
const std::vector<std::vector<type_values>>& families() {
    static const std::vector<std::vector<type_values>> all{
        {{"smallint", {"0", "1", "-1", "32767", "-32768"}},
         {"integer", {"0", "-1", "32767", "32768", "2147483647"}},
         {"bigint", {"0", "32768", "2147483648", "9007199254740993", "-9223372036854775808"}},
         {"numeric", {"0", "1.50", "1.5", "-0.001", "1e20", "NaN", "32768", "9007199254740993"}},
         {"numeric(6,2)", {"0", "1.50", "1.25", "9999.99"}},
         {"numeric(4,0)", {"1", "9999", "-2"}},
         {"real", {"0", "-0", "1.5", "16777216", "3e38", "Infinity"}},
         {"double precision", {"0", "-0", "1.5", "0.1", "16777217", "1e300", "NaN"}}},
        {{"text", {"", "a", "abc", "abc  ", "  x", "a longer one", "Ä"}},
         {"character varying(3)", {"", "a", "abc", "a "}},
         {"character varying(6)", {"", "abc", "abcdef", "abc   "}},
         {"character(3)", {"", "a", "abc"}},
         {"character(6)", {"a", "abcdef", "abc"}}},
        {{"date", {"2024-02-29", "infinity", "0001-01-01"}},
         {"timestamp without time zone", {"2024-02-29 00:00", "2024-02-29 12:00:00.123456", "infinity"}},
         {"timestamp(0) without time zone", {"2024-02-29 12:00:00", "2024-02-29 00:00"}},
         {"timestamp(3) without time zone", {"2024-02-29 12:00:00.123", "2024-02-29 00:00"}},
         {"timestamp with time zone", {"2024-02-29 00:00+00", "2024-06-01 12:00:00.5+03"}}},
        {{"time without time zone", {"12:00", "12:00:00.123456"}},
         {"time(0) without time zone", {"12:00", "23:59:59"}},
         {"interval", {"1 day", "24 hours", "1 month 0.5 s"}},
         {"interval(0)", {"1 day", "1 s"}}},
        {{"bit(3)", {"101"}}, {"bit varying(3)", {"1", "101"}}, {"bit varying", {"1", "101", "10101"}}},
        {{"integer[]", {"{1,2}", "{}", "{NULL}"}},
         {"bigint[]", {"{1}", "{3000000000}"}},
         {"numeric[]", {"{1.0}", "{1.5,2}"}}},
        {{"jsonb", {R"({"a": 1.0})", "null"}}, {"json", {R"({"a":1})", R"({"a":1, "a":2})"}}},
        {{"inet", {"10.0.0.1/8", "10.0.0.0/8", "::1"}}, {"cidr", {"10.0.0.0/8"}}},
    };
    return all;
}

class way_back_types : public way_back_test {
protected:
    /// Old values of one type, new ones of the other, both as they are and changed to one another's.
    void try_pair(const type_values& old_type, const type_values& new_type) {
        SCOPED_TRACE(old_type.type + " to " + new_type.type);
        const std::string there = "v::" + new_type.type;
        sql().execute(
            "DROP SCHEMA IF EXISTS back CASCADE; DROP TABLE IF EXISTS o, n, was; TRUNCATE pgeist.jobs CASCADE");
        sql().execute("CREATE TABLE o (id int PRIMARY KEY, v " + old_type.type +
                      ", other int, d text); CREATE TABLE n (id int PRIMARY "
                      "KEY, v " +
                      new_type.type + ", other int)");
        // What the way there cannot take ends the run before there is any way back.
        int id = 0;
        for (const std::string& value : old_type.values) {
            ++id;
            sql().execute("INSERT INTO o VALUES (" + std::to_string(id) + ", '" + value + "', 0, 'kept')");
            if (!sql().sqlstate_of("SELECT " + there + " FROM o WHERE id = " + std::to_string(id)).empty()) {
                sql().execute("DELETE FROM o WHERE id = " + std::to_string(id));
            }
        }
        sql().execute("CREATE TABLE was AS SELECT * FROM o");
        begin({{"id", "id", ""}, {"v", "v", there}, {"other", "other", ""}});
        // Half are written without a change of the value.
        sql().execute("UPDATE n SET other = 1 WHERE id % 2 = 0");
        int number = 100;
        for (const std::string& value : new_type.values) {
            sql().execute("INSERT INTO n VALUES (" + std::to_string(number++) + ", '" + value + "', 0)");
        }
        replay();
        // A row that goes back is the same when it goes forth again, and what was not changed is the same bytes as
        // ever.
        EXPECT_EQ(
            sql().scalar(
                "SELECT count(*) FROM o JOIN was USING (id) WHERE record_image_ne(ROW(o.v, o.d), ROW(was.v, was.d))"),
            "0");
        // (A number has another scale then, and is the same.)
        EXPECT_EQ(
            sql().scalar("SELECT count(*) FROM n JOIN (SELECT id, " + there + " AS v FROM o) AS o USING (id) WHERE " +
                         transfer::value_differs(new_type.type, "o.v", "n.v")),
            "0");
        EXPECT_EQ(
            sql().scalar(
                "SELECT count(*) FROM n WHERE (id IN (SELECT id FROM o)) = (id IN (SELECT k1 FROM back.pgeist_unfit))"),
            "0");
        EXPECT_EQ(sql().scalar("SELECT count(*) FROM was WHERE id NOT IN (SELECT id FROM o)"), "0")
            << join(unfit(), "\n");
        // Of values that both types have, none is called unfit.
        EXPECT_EQ(sql().scalar("SELECT count(*) FROM back.pgeist_unfit AS u JOIN n ON n.id = u.k1 JOIN n AS same ON "
                               "same.id <> n.id AND "
                               "same.id IN (SELECT id FROM was) AND record_image_eq(ROW(same.v), ROW(n.v))"),
                  "0");
        compare();
    }
};

TEST_F(way_back_types, WhatFitsGoesBackToTheSameBytes) {
    for (const auto& family : families()) {
        for (const type_values& old_type : family) {
            for (const type_values& new_type : family) {
                if (old_type.type != new_type.type) {
                    try_pair(old_type, new_type);
                }
            }
        }
    }
}

TEST_F(way_back_types, TextAndUuid) {
    const type_values text{"text", {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12"}};
    const type_values uuid{"uuid", {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a13", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A14"}};
    try_pair(text, uuid);
    EXPECT_EQ(sql().scalar("SELECT v FROM o WHERE id = 2"), "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A12")
        << "as it was written";
}

}  // namespace
}  // namespace pgeist::test
