// The index of the key does not lead to every row of the table: its collation sorts by other rules than when it was
// built, or its build went wrong. A plain ALTER TABLE reads the file and keeps all rows; a run must not lose one.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"

namespace pgeist::test {
namespace {

struct way_to_run {
    std::string name;
    std::vector<std::string> options;
};

void PrintTo(const way_to_run& way, std::ostream* out) { *out << way.name; }

class damaged_index : public run_test, public ::testing::WithParamInterface<way_to_run> {
protected:
    void expect_nothing_lost() {
        sql().execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off");
        const std::string rows = "SELECT count(*) || ' ' || sum(n) FROM t";
        const std::string before = sql().scalar(rows);
        std::vector<std::string> arguments{"--repack", "--keep-old"};
        arguments.insert(arguments.end(), GetParam().options.begin(), GetParam().options.end());
        const run_result ended = run(arguments);
        EXPECT_TRUE(exited(ended, 5));
        EXPECT_TRUE(says(ended, {"public.t_pkey", "damaged, or not in the order of its collation", "amcheck",
                                 "REINDEX INDEX CONCURRENTLY", "source table is untouched"}));
        EXPECT_EQ(sql().scalar(rows), before);
    }
};

TEST_P(damaged_index, OfRowsThatWereNotEntered) {
    sql().execute(
        "CREATE TABLE t (k int PRIMARY KEY, n int); INSERT INTO t SELECT g, g FROM generate_series(1, 1980) g");
    // What CREATE INDEX CONCURRENTLY of 14.0 to 14.3 could leave.
    sql().execute("UPDATE pg_index SET indisready = false WHERE indexrelid = 't_pkey'::regclass");
    db().connect().execute("INSERT INTO t SELECT g, g FROM generate_series(-19, 0) g");
    sql().execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 't_pkey'::regclass");
    expect_nothing_lost();
}

// A range of keys may be read by the other index, which is whole. Only rows in the middle are not entered: those at the
// ends of a range of the file are looked up one by one in any case.
TEST_P(damaged_index, BesideOneThatBeginsWithTheSameColumn) {
    sql().execute(
        "CREATE TABLE t (a int NOT NULL, k int NOT NULL, n int, pad text, PRIMARY KEY (a, k)) WITH (fillfactor = 60);"
        "CREATE INDEX t_a ON t (a); INSERT INTO t SELECT 1 + g / 2000, g, g, repeat('x', 50) FROM generate_series(1, "
        "12500) g;"
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 't_pkey'::regclass");
    db().connect().execute(
        "INSERT INTO t SELECT 1 + g / 2000, g, g, repeat('x', 50) FROM generate_series(12501, 12520) g");
    sql().execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 't_pkey'::regclass");
    db().connect().execute(
        "INSERT INTO t SELECT 1 + g / 2000, g, g, repeat('x', 50) FROM generate_series(12521, 20000) g");
    sql().execute("VACUUM ANALYZE t");
    expect_nothing_lost();
}

TEST_P(damaged_index, OfAnotherOrder) {
    // What a new version of the library behind a collation leaves: here "C" took the place of the language's rules.
    sql().execute(
        "CREATE TABLE t (k text COLLATE \"C\" PRIMARY KEY, n int);"
        "INSERT INTO t SELECT chr(CASE WHEN g % 2 = 0 THEN 65 ELSE 97 END + g % 26) || md5(g::text), g"
        "  FROM generate_series(1, 3000) g ORDER BY md5(g::text)");
    sql().execute(
        "UPDATE pg_attribute SET attcollation = '\"en-x-icu\"'::regcollation"
        " WHERE attrelid IN ('t'::regclass, 't_pkey'::regclass) AND attname = 'k'");
    sql().execute(
        "UPDATE pg_index SET indcollation = '\"en-x-icu\"'::regcollation::oid::text::oidvector"
        " WHERE indexrelid = 't_pkey'::regclass");
    expect_nothing_lost();
}

class another_damaged_index : public run_test {};

// The server may look for the key by any index that begins with its columns: the smaller one here.
TEST_F(another_damaged_index, IsNamedAndNotTheKeys) {
    sql().execute(
        "CREATE TABLE t (pad text NOT NULL, k int NOT NULL, n int, PRIMARY KEY (pad, k)); CREATE INDEX small ON t (k);"
        "INSERT INTO t SELECT repeat(md5(g::text), 20), g, g FROM generate_series(1, 1980) g;"
        "UPDATE pg_index SET indisready = false WHERE indexrelid = 'small'::regclass");
    db().connect().execute("INSERT INTO t SELECT repeat(md5(g::text), 20), g, g FROM generate_series(-19, 0) g");
    sql().execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 'small'::regclass; ANALYZE t");
    const run_result ended = run({"--repack", "--key", "t_pkey", "--keep-old"});
    EXPECT_TRUE(exited(ended, 5));
    EXPECT_TRUE(says(ended, {"the index public.small is damaged", "REINDEX INDEX CONCURRENTLY \"public\".\"small\""}));
    EXPECT_FALSE(ended.mentions("t_pkey is damaged"));
}

INSTANTIATE_TEST_SUITE_P(
    of_all_ways, damaged_index,
    ::testing::Values(way_to_run{"by_default", {}}, way_to_run{"in_small_chunks", {"--chunk-rows", "300"}},
                      way_to_run{"in_heap_order", {"--copy-order", "heap"}},
                      way_to_run{"without_comparison", {"--verify", "off", "--chunk-rows", "300"}},
                      way_to_run{"with_a_sample", {"--verify", "sample:10", "--chunk-rows", "300"}}),
    [](const auto& way) { return way.param.name; });

class outdated_collation : public run_test {};

TEST_F(outdated_collation, OfTheKeyIsRefusedByName) {
    sql().execute(
        "CREATE COLLATION house (provider = icu, locale = 'en');"
        "CREATE TABLE t (k text COLLATE house PRIMARY KEY, n int); INSERT INTO t VALUES ('a', 1), ('B', 2)");
    EXPECT_TRUE(exited(command("plan", {"--table", "t", "--repack"}), 0));
    sql().execute("UPDATE pg_collation SET collversion = '0.0' WHERE collname = 'house'");
    const table_state before = state_of();
    const run_result planned = command("plan", {"--table", "t", "--repack"});
    EXPECT_TRUE(exited(planned, 3));
    EXPECT_TRUE(says(planned, {"t_pkey", "collation house (version 0.0, now ", "REINDEX", "REFRESH VERSION"}));
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 3));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(outdated_collation, WithinARangeOfTheKeyIsRefused) {
    sql().execute(
        "CREATE COLLATION house (provider = icu, locale = 'en');"
        "CREATE TYPE names AS RANGE (subtype = text, collation = house);"
        "CREATE TABLE t (k names PRIMARY KEY); INSERT INTO t VALUES ('[a,b)')");
    EXPECT_TRUE(exited(command("plan", {"--table", "t", "--repack"}), 0));
    sql().execute("UPDATE pg_collation SET collversion = '0.0' WHERE collname = 'house'");
    EXPECT_TRUE(says(command("plan", {"--table", "t", "--repack"}), {"collation house"}));
}

TEST_F(outdated_collation, OfTheDatabaseIsRefused) {
    if (sql().server_major() < 15) {
        return;  // it is not known there
    }
    sql().execute("CREATE TABLE t (k text PRIMARY KEY, n int NOT NULL); CREATE UNIQUE INDEX t_n ON t (n)");
    sql().execute("UPDATE pg_database SET datcollversion = '0.0' WHERE datname = current_database()");
    const std::string version = sql().scalar(
        "SELECT coalesce(pg_database_collation_actual_version(oid), 'none') FROM pg_database "
        "WHERE datname = current_database()");
    const run_result planned = command("plan", {"--table", "t", "--repack", "--key", "t_pkey"});
    if (version == "none") {
        EXPECT_TRUE(exited(planned, 0)) << "a collation without versions";
    } else {
        EXPECT_TRUE(exited(planned, 3));
        EXPECT_TRUE(says(planned, {"of database", "REFRESH COLLATION VERSION"}));
    }
    EXPECT_TRUE(exited(command("plan", {"--table", "t", "--repack"}), 0)) << "another key is not sorted by it";
}

class unusual_key : public run_test {
protected:
    void expect_refused(const std::string& why) {
        const run_result planned = command("plan", {"--table", "t", "--repack"});
        EXPECT_TRUE(exited(planned, 3));
        EXPECT_TRUE(says(planned, {why}));
    }
};

TEST_F(unusual_key, ThatTellsMoreKeysApartThanDistinctIsRefused) {
    sql().execute(
        "CREATE TYPE place AS (a numeric); CREATE TABLE t (k place NOT NULL, n int);"
        "CREATE UNIQUE INDEX t_k ON t (k record_image_ops); INSERT INTO t VALUES (ROW(1.0), 1), (ROW(1.00), 2)");
    expect_refused("takes other values for equal than DISTINCT does");
}

TEST_F(unusual_key, ThatCannotBeJoinedByIsRefused) {
    std::string script = "CREATE TYPE place AS (a int);";
    const std::vector<std::string> operators{"<", "<=", "=", ">=", ">"};
    std::string members;
    for (std::size_t at = 0; at < operators.size(); ++at) {
        const std::string number = std::to_string(at + 1);
        script += "CREATE FUNCTION place_" + number +
                  "(place, place) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT ($1).a " + operators[at] +
                  " ($2).a'; CREATE OPERATOR " + operators[at] +
                  " (LEFTARG = place, RIGHTARG = place, FUNCTION = place_" + number + ");";
        members += "OPERATOR " + number + " " + operators[at] + ", ";
    }
    sql().execute(script +
                  "CREATE FUNCTION place_cmp(place, place) RETURNS int LANGUAGE sql IMMUTABLE AS "
                  "'SELECT btint4cmp(($1).a, ($2).a)';"
                  "CREATE OPERATOR CLASS place_ops DEFAULT FOR TYPE place USING btree AS " +
                  members + "FUNCTION 1 place_cmp(place, place); CREATE TABLE t (k place PRIMARY KEY)");
    expect_refused("serves neither merge nor hash joins");
}

}  // namespace
}  // namespace pgeist::test
