// Rows that cannot be made the same, or do not fit: the message says what it is about them, and what to do.

#include <gtest/gtest.h>

#include "e2e/run_test.hpp"

namespace pgeist::test {
namespace {

class what_differs : public run_test {};

TEST_F(what_differs, NamesTheGeneratedColumnWhoseFunctionWasReplaced) {
    sql().execute(
        "CREATE FUNCTION fold(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(t) $$;"
        "CREATE TABLE t (id int PRIMARY KEY, w text NOT NULL,"
        "                folded text GENERATED ALWAYS AS (public.fold(w)) STORED);"
        "INSERT INTO t (id, w) SELECT g, 'Word' || g FROM generate_series(1, 100) AS g;"
        "CREATE OR REPLACE FUNCTION fold(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT upper(t) $$");
    const table_state before = state_of();
    const std::string told = "columns: folded (generated: what is stored is not what its expression gives today)";
    const run_result ended = run({"--repack", "--keep-old"});
    EXPECT_TRUE(exited(ended, 5));
    EXPECT_TRUE(says(ended, {told, "keys: 1; 2"}));
    EXPECT_TRUE(says(command("status", {"1"}), {told}));
    expect_cleanup_leaves_nothing();
    expect_unchanged(before);
    sql().execute("UPDATE t SET w = w");
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE folded = upper(w)"), 100);
}

TEST_F(what_differs, OfACheckThatTimeMadeFalseSaysNotValid) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, day date NOT NULL);"
        "INSERT INTO t SELECT g, date '2020-01-01' + g FROM generate_series(1, 100) AS g;"
        "ALTER TABLE t ADD CONSTRAINT t_ahead CHECK (day >= current_date) NOT VALID;"
        "UPDATE pg_constraint SET convalidated = true WHERE conname = 't_ahead'");
    const run_result ended = run({"--repack", "--keep-old"});
    EXPECT_TRUE(exited(ended, 1));
    EXPECT_TRUE(says(ended, {"id = 1", "constraint t_ahead", "NOT VALID"}));
    sql().execute(
        "ALTER TABLE t DROP CONSTRAINT t_ahead, ADD CONSTRAINT t_ahead CHECK (day >= current_date) NOT VALID");
    expect_cleanup_leaves_nothing();
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t"), 100);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conname = 't_ahead' "
                           "AND conrelid = 't'::regclass AND NOT convalidated"),
              1);
}

}  // namespace
}  // namespace pgeist::test
