// As many columns as PostgreSQL allows.

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {
namespace {

class wide_tables : public run_test {
protected:
    /// Makes t (id int primary key) and so many columns more, each `a<g>` with this type.
    void make(int columns, const std::string& type) {
        const std::string list =
            sql().scalar("SELECT string_agg(format('a%1$s " + type + "', g), ', ') FROM generate_series(1, " +
                         std::to_string(columns) + ") AS g");
        sql().execute("CREATE TABLE t (id int PRIMARY KEY, " + list + ")");
        sql().execute("INSERT INTO t (id, a450) SELECT g, g FROM generate_series(1, 50) AS g");
    }
};

TEST_F(wide_tables, OfSixteenHundredColumnsAreCompared) {
    make(1599, "numeric");
    const table_state before = state_of();
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 0));
    EXPECT_EQ(state_of().digest, before.digest);
}

TEST_F(wide_tables, TellWhichColumnDiffers) {
    make(1598, "smallint");
    sql().execute(
        "CREATE FUNCTION f(i smallint) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$ SELECT i $$;"
        "ALTER TABLE t ADD odd smallint GENERATED ALWAYS AS (public.f(a450)) STORED;"
        "CREATE OR REPLACE FUNCTION f(i smallint) RETURNS smallint LANGUAGE sql IMMUTABLE AS $$ SELECT 0::smallint $$");
    const run_result ended = run({"--repack", "--keep-old"});
    EXPECT_TRUE(exited(ended, 5));
    EXPECT_TRUE(says(ended, {"columns: odd"}));
}

TEST_F(wide_tables, OfNineHundredDefaultsAreSwappedAtTheFirstAttempt) {
    make(900, "int DEFAULT %1$s");
    auto running = start({"--repack", "--keep-old"});
    const run_result ended = running.finish();
    EXPECT_TRUE(exited(ended, 0));
    ASSERT_EQ(ended.events("swap").size(), 1U);
    EXPECT_EQ(ended.events("swap")[0].at("attempts").as_int64(), 1);
    EXPECT_EQ(ended.events("lock_wait").size(), 0U);
}

// Before 18 it takes the server seconds to print their expressions.
TEST_F(wide_tables, OfNineHundredGeneratedColumnsAreSwappedAtTheFirstAttempt) {
    const std::string list = sql().scalar(
        "SELECT string_agg(format('a%1$s int GENERATED ALWAYS AS (id + %1$s) STORED', g), ', ') FROM "
        "generate_series(1, "
        "900) AS g");
    sql().execute("CREATE TABLE t (id int PRIMARY KEY, " + list + "); INSERT INTO t VALUES (1), (2)");
    const table_state before = state_of();
    auto running = start({"--repack", "--keep-old"});
    const run_result ended = running.finish(std::chrono::seconds(150));
    EXPECT_TRUE(exited(ended, 0));
    ASSERT_EQ(ended.events("swap").size(), 1U);
    EXPECT_EQ(ended.events("swap")[0].at("attempts").as_int64(), 1);
    EXPECT_EQ(state_of().digest, before.digest);
}

}  // namespace
}  // namespace pgeist::test
