// What is done to a table that is expanded, by those who may not know, and what expand and contract leave behind them.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/file_test.hpp"
#include "support/json_lines.hpp"
#include "support/table_description.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class expanded : public file_test {
protected:
    run_result expand(std::vector<std::string> more, const std::string& table = "t") {
        std::vector<std::string> arguments{"--table", table, "--output", "json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        run_result result = command("expand", arguments);
        job_ = text_of(result.events("job").empty() ? boost::json::object() : result.events("job").front(), "job");
        return result;
    }
    run_result contract(std::vector<std::string> more = {}) {
        std::vector<std::string> arguments{job_, "--output", "json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return command("contract", arguments);
    }
    long long columns_named(const std::string& name, const std::string& table = "t") {
        return sql().number(
            "SELECT count(*) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2 AND NOT attisdropped",
            {table, name});
    }
    std::string job_;
};

class expanded_as_plain : public expanded {};

TEST_F(expanded, is_kept_from_changes_that_would_break_it) {
    make_table(20);
    ASSERT_TRUE(exited(expand({"--rename", "note=remark"}), 0));
    const auto before = state_of();
    for (const char* clause : {"DROP COLUMN note, ADD COLUMN more int", "ALTER remark TYPE varchar(30)"}) {
        const run_result refused = command("run", {"--table", "t", "--alter", clause, "--method", "auto"});
        EXPECT_TRUE(exited(refused, 3)) << clause;
        EXPECT_TRUE(says(refused, {"expanded by job " + job_, "pgeist contract " + job_, "pgeist cleanup " + job_}));
    }
    const run_result file = run_file("CREATE TABLE other (id int);\nALTER TABLE t RENAME COLUMN remark TO r;\n");
    EXPECT_TRUE(exited(file, 3));
    EXPECT_TRUE(says(file, {":2:", "remark"}));
    expect_unchanged(before);
    EXPECT_TRUE(exited(command("run", {"--table", "t", "--alter", "ADD COLUMN more int", "--method", "auto"}), 0));
    // What only shows when it is done is refused in its transaction.
    const run_result late = run_file("ALTER TABLE t RENAME TO u;\nALTER TABLE u DROP COLUMN note;\n");
    EXPECT_TRUE(exited(late, 1));
    EXPECT_TRUE(says(late, {"line 2", "note", "job " + job_}));
    sql().execute("UPDATE u SET remark = 'new' WHERE id = 1; UPDATE u SET note = 'old' WHERE id = 2");
    EXPECT_EQ(sql().number("SELECT count(*) FROM u WHERE note IS DISTINCT FROM remark"), 0);
    // The job follows the table to its new name.
    ASSERT_TRUE(exited(contract({"--try"}), 0));
    sql().execute("UPDATE u SET remark = 'tried' WHERE id = 3");
    ASSERT_TRUE(exited(contract(), 0));
    EXPECT_EQ(columns_named("note", "u"), 0);
    EXPECT_EQ(sql().scalar("SELECT string_agg(remark, ' ' ORDER BY id) FROM u WHERE id <= 3"), "new old tried");
}

TEST_F(expanded, says_what_others_have_taken_away) {
    make_table(20);
    ASSERT_TRUE(exited(
        expand({"--rename", "note=remark", "--add", "sum bigint", "--up", "sum = code", "--down", "code = sum::int"}),
        0));
    sql().execute("ALTER TABLE t RENAME COLUMN remark TO r");
    for (const char* option : {"--try", "--quiet"}) {
        const run_result renamed = contract({option});
        EXPECT_TRUE(exited(renamed, 3));
        EXPECT_TRUE(says(renamed, {"no column remark any more", "rename it back"}));
    }
    sql().execute("ALTER TABLE t RENAME COLUMN r TO remark; ALTER TABLE t ALTER remark TYPE varchar(40)");
    const run_result retyped = contract();
    EXPECT_TRUE(exited(retyped, 3));
    EXPECT_TRUE(says(retyped, {"remark is character varying(40), and was text"}));
    // Whoever drops the old column by hand leaves the new one the only one that has its values.
    sql().execute("ALTER TABLE t ALTER remark TYPE text; ALTER TABLE t DROP COLUMN note");
    EXPECT_TRUE(says(contract(), {"no column note any more", "pgeist cleanup " + job_}));
    const run_result cleaned = command("cleanup", {job_});
    EXPECT_TRUE(exited(cleaned, 0));
    EXPECT_TRUE(says(cleaned, {"column remark of public.t stays"}));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE remark = 'note ' || id"), 20);
    EXPECT_EQ(columns_named("sum"), 0);
    sql().execute("UPDATE t SET remark = 'free', code = 1");
    expect_nothing_left();
}

TEST_F(expanded_as_plain, leaves_what_a_rename_leaves) {
    const std::string reader = db().create_role("reader");
    const std::string writer = db().create_role("writer");
    sql().execute(
        "CREATE SCHEMA twin; CREATE SCHEMA refs; CREATE TABLE refs.o (k text COLLATE \"C\" PRIMARY KEY); "
        "INSERT INTO refs.o SELECT 'v' || i FROM generate_series(1, 50) AS i");
    for (const char* schema : {"public", "twin"}) {
        sql().execute(std::string("SET search_path = ") + schema);
        sql().execute(R"(
            CREATE TABLE t (id int PRIMARY KEY, b int, a text COLLATE "C" NOT NULL DEFAULT 'q');
            INSERT INTO t SELECT i, i, 'v' || i FROM generate_series(1, 51) AS i;  -- the last one an orphan
            ALTER TABLE t ADD CONSTRAINT ua UNIQUE (a) WITH (fillfactor = 70), ADD CONSTRAINT ck CHECK (a <> '') NO INHERIT,
                ADD CONSTRAINT long CHECK (length(a) < 100) NOT VALID,
                ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES refs.o ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE NOT VALID;
            CREATE INDEX i1 ON t (a text_pattern_ops DESC NULLS LAST) INCLUDE (b) WITH (fillfactor = 60);
            CREATE INDEX i2 ON t ((a || 'x'), b); ALTER INDEX i2 ALTER COLUMN 1 SET STATISTICS 500;
            CREATE INDEX i3 ON t USING gin (to_tsvector('simple', a)); CREATE INDEX i4 ON t USING brin (a) WITH (pages_per_range = 4);
            CREATE INDEX i5 ON t USING hash (a); CREATE UNIQUE INDEX i6 ON t (a) WHERE b > 3; CREATE INDEX i7 ON t (b) WHERE a ~ 'v';
            COMMENT ON INDEX i1 IS 'index one'; COMMENT ON INDEX ua IS 'its index'; COMMENT ON CONSTRAINT ck ON t IS 'check';
            COMMENT ON CONSTRAINT fk ON t IS 'fk'; COMMENT ON CONSTRAINT ua ON t IS 'ua'; COMMENT ON COLUMN t.a IS 'col';
            ALTER TABLE t CLUSTER ON ua;
            ALTER TABLE t ADD CONSTRAINT late UNIQUE (a) DEFERRABLE INITIALLY DEFERRED, ADD CONSTRAINT ends UNIQUE (b, a) DEFERRABLE;
            COMMENT ON CONSTRAINT late ON t IS 'late'; CREATE STATISTICS st (ndistinct, mcv) ON a, b FROM t; CREATE STATISTICS ex ON (a || 'y'), b FROM t;
            COMMENT ON STATISTICS st IS 'together'; ALTER STATISTICS st SET STATISTICS 77;
            ALTER TABLE t ALTER a SET STORAGE EXTERNAL, ALTER a SET COMPRESSION pglz, ALTER a SET STATISTICS 33, ALTER a SET (n_distinct = -0.7))");
        sql().execute("GRANT SELECT (a) ON t TO " + sql().identifier(reader) +
                      " WITH GRANT OPTION; GRANT UPDATE (a) ON t TO " + sql().identifier(writer) +
                      "; GRANT REFERENCES (a, b) ON t TO PUBLIC");
    }
    sql().execute("RESET search_path; ALTER TABLE twin.t RENAME COLUMN a TO z");
    ASSERT_TRUE(exited(expand({"--rename", "a=z"}), 0));
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO t (id, z) VALUES (99, repeat('v', 100))"), "23514")
        << "NOT VALID, and enforced";
    ASSERT_TRUE(exited(contract(), 0));
    const auto difference =
        description_difference(describe_table(sql(), "twin", "t"), describe_table(sql(), "public", "t"));
    EXPECT_TRUE(difference.empty()) << ::testing::PrintToString(difference);
}

// Each wait of the server's is for those who were there when it began: between the two the index checks at once.
TEST_F(expanded, lets_values_change_places_while_the_index_of_a_deferrable_constraint_is_built) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, pos int DEFAULT 0, other int, CONSTRAINT late UNIQUE (pos) DEFERRABLE);
        INSERT INTO t SELECT i, i, i FROM generate_series(1, 20) AS i)");
    auto reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    pgeist_process running(db().uri(), {"expand", "--table", "t", "--output", "json", "--rename", "pos=place"});
    wait_for("the new column", [&] { return columns_named("place") == 1; });
    auto first = db().connect();
    auto second = db().connect();
    first.execute("BEGIN; UPDATE t SET other = 0 WHERE id = 1");
    reader.execute("COMMIT");
    const auto wait_for_phase = [&](const std::string& phase) {
        wait_for(phase, [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database() "
                       "AND phase = $1",
                       {phase}) == 1;
        });
    };
    wait_for_phase("waiting for writers before build");
    second.execute("BEGIN; UPDATE t SET pos = 100 WHERE id = 20; INSERT INTO t (id) VALUES (0)");
    first.execute("COMMIT");
    wait_for_phase("waiting for writers before validation");
    EXPECT_EQ(sql().sqlstate_of("UPDATE t SET pos = 12 - pos WHERE id BETWEEN 2 AND 10"), "");
    second.execute("COMMIT");
    const run_result made = running.finish();
    ASSERT_TRUE(exited(made, 0));
    job_ = text_of(made.events("job").front(), "job");
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE place IS DISTINCT FROM pos"), 0);
    EXPECT_EQ(sql().sqlstate_of("UPDATE t SET place = place + 1"), "");
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO t (id, place) VALUES (300, 3)"), "23505");
    ASSERT_TRUE(exited(contract(), 0));
    EXPECT_EQ(sql().scalar("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'late'"),
              "UNIQUE (place) DEFERRABLE");
    EXPECT_EQ(sql().sqlstate_of("UPDATE t SET place = place + 1"), "");
}

TEST_F(expanded, is_not_contracted_over_a_constraint_that_nothing_takes_the_place_of) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, pos int, until int, other int, CONSTRAINT apart EXCLUDE USING btree (pos WITH =),
                        CONSTRAINT spans EXCLUDE USING gist (int4range(pos, until) WITH &&), CONSTRAINT late UNIQUE (other) DEFERRABLE,
                        CONSTRAINT covers UNIQUE (until) INCLUDE (pos) DEFERRABLE);
        CREATE STATISTICS st ON other, id FROM t; CREATE STATISTICS apart ON pos, until FROM t; INSERT INTO t SELECT i, i, i + 1, i FROM generate_series(1, 20) AS i)");
    const run_result made = expand(
        {"--rename", "pos=place", "--add", "half int", "--up", "half = other / 2", "--down", "other = half * 2"});
    EXPECT_TRUE(exited(made, 0));
    EXPECT_TRUE(says(made, {"apart", "spans", "exclusion", "statistics st", "late", "may be the same",
                            "index covers is not made for the new columns"}));
    const run_result tried = contract({"--try"});
    EXPECT_TRUE(exited(tried, 0));
    EXPECT_TRUE(says(tried, {"contract will be refused", "constraint apart", "constraint covers", "constraint spans",
                             "DROP CONSTRAINT", "nothing takes their place: constraint late, statistics st"}));
    const run_result refused = contract();
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"constraint apart, constraint covers, constraint spans", "DROP CONSTRAINT"}));
    EXPECT_EQ(columns_named("pgeist_" + job_ + "_pos"), 1);
    sql().execute(
        "ALTER TABLE t DROP CONSTRAINT apart, DROP CONSTRAINT spans, DROP CONSTRAINT covers, ADD CONSTRAINT now "
        "EXCLUDE (place WITH =)");
    const run_result gone = contract();
    EXPECT_TRUE(exited(gone, 0));
    EXPECT_TRUE(says(gone, {"nothing takes their place: constraint late, statistics st"}));
}

TEST_F(expanded, goes_on_under_another_name_in_another_schema) {
    make_table(20);
    sql().execute(
        R"(CREATE SCHEMA away; CREATE STATISTICS st ON note, code FROM t; ALTER TABLE t ADD CONSTRAINT late UNIQUE (note) DEFERRABLE;
        CREATE INDEX by_note ON t (note))");
    ASSERT_TRUE(exited(expand({"--rename", "note=remark"}), 0));
    sql().execute("ALTER TABLE t RENAME TO \"T 2\"; ALTER TABLE \"T 2\" SET SCHEMA away");
    const auto in_step = [&] {
        return sql().number("SELECT count(*) FROM away.\"T 2\" WHERE note IS DISTINCT FROM remark") == 0;
    };
    sql().execute(
        "INSERT INTO away.\"T 2\" (id, note) VALUES (21, 'a'); INSERT INTO away.\"T 2\" (id, remark) VALUES (22, 'b')");
    sql().execute(
        R"(UPDATE away."T 2" SET remark = 'later' WHERE id = 4; UPDATE away."T 2" SET note = 'old' WHERE id = 5)");
    EXPECT_TRUE(in_step());
    ASSERT_TRUE(exited(contract({"--try"}), 0));
    sql().execute("UPDATE away.\"T 2\" SET remark = 'tried' WHERE id = 3");
    ASSERT_TRUE(exited(contract({"--undo"}), 0));
    EXPECT_TRUE(in_step());
    EXPECT_TRUE(exited(run_file("ALTER TABLE away.\"T 2\" RENAME TO t;\nALTER TABLE away.t SET SCHEMA public;\n"), 0));
    sql().execute("UPDATE t SET note = 'back' WHERE id = 6; ALTER TABLE t SET SCHEMA away");
    ASSERT_TRUE(exited(contract(), 0));
    EXPECT_EQ(columns_named("note", "away.t"), 0);
    EXPECT_EQ(sql().scalar("SELECT string_agg(remark, ' ' ORDER BY id) FROM away.t WHERE id IN (3, 4, 5, 6, 21, 22)"),
              "tried later old back a b");
    EXPECT_EQ(sql().scalar("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'late'"),
              "UNIQUE (remark) DEFERRABLE");
    EXPECT_EQ(sql().scalar("SELECT pg_get_statisticsobjdef(oid) FROM pg_statistic_ext"),
              "CREATE STATISTICS public.st ON code, remark FROM away.t");
    EXPECT_NE(sql().scalar("SELECT to_regclass('away.by_note')::text"), "");
}

TEST_F(expanded, lets_the_application_write_when_its_rows_fail) {
    sql().execute("CREATE TABLE t (id int PRIMARY KEY, a int, x int); INSERT INTO t VALUES (1, 1), (2, NULL)");
    const run_result failed = expand({"--add", "b int NOT NULL", "--up", "b = a", "--down", "a = b"});
    EXPECT_TRUE(exited(failed, 1));
    EXPECT_TRUE(says(failed, {"NOT NULL of column b", "pgeist resume " + job_}));
    EXPECT_EQ(sql().sqlstate_of("UPDATE t SET x = 1 WHERE id = 2"), "");
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO t (id, a) VALUES (3, NULL)"), "");
    sql().execute("UPDATE t SET a = 7 WHERE a IS NULL");
    EXPECT_TRUE(exited(command("resume", {job_}), 0));
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO t (id, a) VALUES (4, NULL)"), "23502");
    EXPECT_TRUE(exited(contract(), 0));
}

TEST_F(expanded, finds_what_the_functions_of_the_user_call) {
    sql().execute(R"(
        CREATE SCHEMA app; CREATE TABLE app.rates (name text, rate int); INSERT INTO app.rates VALUES ('x', 2);
        CREATE FUNCTION app.helper(t text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper(t)';
        CREATE FUNCTION app.loud(t text) RETURNS text STABLE LANGUAGE plpgsql AS
            'BEGIN RETURN helper(t) || (SELECT rate FROM rates); END';
        CREATE FUNCTION app.low(t text) RETURNS text STABLE LANGUAGE plpgsql AS
            'BEGIN RETURN lower(helper(rtrim(t, (SELECT rate::text FROM rates)))); END';
        CREATE FUNCTION app.broken(t text) RETURNS text STABLE LANGUAGE plpgsql AS 'BEGIN RETURN absent(t); END';
        CREATE TABLE t (id int PRIMARY KEY, note text, label text); INSERT INTO t VALUES (1, 'a'), (2, 'b');
        CREATE TABLE empty_one (id int PRIMARY KEY, note text))");
    sql().execute("ALTER DATABASE " + sql().identifier(db().name()) + " SET search_path = public, app");
    const run_result broken =
        expand({"--add", "loud text", "--up", "loud = loud(note)", "--down", "note = broken(loud)"});
    EXPECT_TRUE(exited(broken, 3));
    EXPECT_TRUE(says(broken, {"--down fails", "absent(text) does not exist"}));
    EXPECT_TRUE(exited(command("backfill", {"--table", "t", "--set", "label = broken(note)"}), 3));
    expect_nothing_left();
    auto application = db().connect();  // with another search_path
    application.execute("SET search_path = pg_catalog");
    for (const std::string table : {"t", "empty_one"}) {
        ASSERT_TRUE(exited(
            expand({"--add", "loud text", "--up", "loud = loud(note)", "--down", "note = low(loud)"}, table), 0));
        application.execute("INSERT INTO public." + table + " (id, note) VALUES (10, 'old')");
        application.execute("INSERT INTO public." + table + " (id, loud) VALUES (11, 'NEW2')");
        EXPECT_EQ(
            sql().scalar("SELECT string_agg(note || ' ' || loud, ', ' ORDER BY id) FROM " + table + " WHERE id >= 10"),
            "old OLD2, new NEW2");
    }
    EXPECT_EQ(sql().scalar("SELECT string_agg(loud, ' ' ORDER BY id) FROM t WHERE id < 10"), "A2 B2");
    EXPECT_TRUE(exited(command("backfill", {"--table", "t", "--set", "label = loud(note)"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE label = loud"), 4);
}

TEST_F(expanded, takes_names_of_any_kind) {
    sql().execute("CREATE TABLE t (id int PRIMARY KEY, \"a=b\" text); INSERT INTO t VALUES (1, 'x')");
    sql().execute("CREATE PUBLICATION whole FOR TABLE t");
    const run_result made = expand({"--rename", "\"a=b\"=\"c = d\""});
    ASSERT_TRUE(exited(made, 0));
    EXPECT_TRUE(says(made, {"publication whole publishes the new columns"}));
    sql().execute("UPDATE t SET \"c = d\" = 'y'");
    EXPECT_EQ(sql().scalar("SELECT \"a=b\" FROM t"), "y");
    auto reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM t");
    const run_result waited = command("contract", {job_, "--swap-max-wait", "500ms"});
    EXPECT_TRUE(exited(waited, 4));
    EXPECT_TRUE(says(waited, {"contract: waited", std::to_string(reader.backend_pid())}));
}

}  // namespace
}  // namespace pgeist::test
