// A function that somebody plants while the run is under way, and that fits a text better than the one meant: it must
// not be called with the rights of who runs pgeist, not even once. Planted functions move a sequence, which no rollback
// takes back.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"

namespace pgeist::test {
namespace {

class planted_later : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        planter = db().create_role("planter");
        sql().execute("CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; GRANT USAGE, CREATE ON SCHEMA ext TO " +
                      planter + "; ALTER DATABASE " + db().name() +
                      " SET search_path = public, ext; SET search_path = public, ext; CREATE SEQUENCE trap");
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, emails citext[], email citext, n int); INSERT INTO t SELECT g, "
            "ARRAY['a' || g, 'b']::citext[], 'a' || g, g FROM generate_series(1, 60) AS g; CREATE FUNCTION "
            "ext.size_of(anyarray) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT cardinality($1)'");
    }

    /// Arguments of a run that stops in the middle of the copy.
    static std::vector<std::string> stopping_at(gate& here, std::vector<std::string> arguments = {"--repack"}) {
        arguments.insert(arguments.end(), {"--set", "n = " + here.expression("id = 40", "n")});
        here.close();
        return arguments;
    }

    /// `signature` without its schema, which is ext.
    void plant(const std::string& signature) {
        db().connect_as(planter).execute("CREATE FUNCTION ext." + signature +
                                         " RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM "
                                         "nextval(''public.trap''); RETURN 1; END'");
    }

    void expect_never_called() { EXPECT_EQ(sql().scalar("SELECT is_called FROM trap"), "f") << "the trap has sprung"; }

    /// What was planted is told, was not called, and once it is gone the run comes to its end.
    void expect_told(gate& here, pgeist_process& process, const std::string& signature,
                     const std::vector<std::string>& texts) {
        plant(signature);
        here.open();
        const run_result result = process.finish();
        EXPECT_TRUE(exited(result, 1));
        EXPECT_TRUE(says(result, texts));
        expect_never_called();
        sql().execute("DROP FUNCTION ext." + signature);
        EXPECT_TRUE(exited(command("resume", {"1"}), 0));
        expect_never_called();
    }

    static constexpr const char* length = "array_length(ext.citext[], int)";
    std::string planter;
};

TEST_F(planted_later, an_index_whose_operators_the_text_does_not_show) {
    sql().execute("CREATE INDEX t_al ON t (array_length(emails, 1)) WHERE email IS DISTINCT FROM 'q'");
    const std::string before = sql().scalar("SELECT pg_get_indexdef('t_al'::regclass)");
    gate here(db(), 1);
    pgeist_process process = start(stopping_at(here));
    here.wait_until_reached();
    expect_told(here, process, length, {"index t_al", "function ext.array_length(ext.citext[],integer)"});
    EXPECT_EQ(sql().scalar("SELECT pg_get_indexdef('t_al'::regclass)"), before);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indexrelid = 't_al'::regclass AND indisvalid AND "
                           "indisready"),
              1);
    sql().execute("SET enable_seqscan = off");
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE array_length(emails, 1) = 2 AND email IS DISTINCT FROM 'q'"),
              60);
    expect_cleanup_leaves_nothing();
}

TEST_F(planted_later, an_index_by_a_function_that_takes_any_array) {
    sql().execute("CREATE UNIQUE INDEX t_size ON t (ext.size_of(emails), id)");
    gate here(db(), 1);
    pgeist_process process = start(stopping_at(here));
    here.wait_until_reached();
    expect_told(here, process, "size_of(ext.citext[])", {"index t_size", "function ext.size_of(ext.citext[])"});
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indexrelid = 't_size'::regclass AND indisvalid"), 1);
}

/// Something that was begun by a run that was killed before it looked.
TEST_F(planted_later, an_index_that_was_made_and_is_not_built) {
    sql().execute("CREATE INDEX t_size ON t (ext.size_of(emails))");
    gate here(db(), 1);
    pgeist_process process = start(stopping_at(here));
    here.wait_until_reached();
    plant("size_of(ext.citext[])");
    sql().execute(
        "CREATE TABLE pgeist_1.other (LIKE pgeist_1.t); CREATE INDEX t_size ON pgeist_1.other "
        "(ext.size_of(emails)); UPDATE pg_index SET indisvalid = false, indisready = false WHERE indexrelid = "
        "'pgeist_1.t_size'::regclass");
    here.open();
    const run_result result = process.finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"index t_size", "function ext.size_of(ext.citext[])"}));
    expect_never_called();
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname = 't_size' AND relnamespace = "
                           "'pgeist_1'::regnamespace"),
              0);
    sql().execute("DROP TABLE pgeist_1.other; DROP FUNCTION ext.size_of(ext.citext[])");
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    expect_never_called();
}

/// The server has built it after the run that had begun it was killed.
TEST_F(planted_later, an_index_that_was_built_and_is_not_looked_at) {
    sql().execute("CREATE INDEX t_size ON t (ext.size_of(emails))");
    gate here(db(), 1);
    pgeist_process process = start(stopping_at(here));
    here.wait_until_reached();
    process.kill_hard();
    plant("size_of(ext.citext[])");
    sql().execute(
        "CREATE TABLE pgeist_1.other (LIKE pgeist_1.t); CREATE INDEX t_size ON pgeist_1.other (ext.size_of(emails))");
    here.open();
    const run_result result = command("resume", {"1"});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"index t_size", "function ext.size_of(ext.citext[])"}));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname = 't_size' AND relnamespace = "
                           "'pgeist_1'::regnamespace"),
              0);
    sql().execute("DROP TABLE pgeist_1.other; DROP FUNCTION ext.size_of(ext.citext[])");
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indexrelid = 't_size'::regclass AND indisvalid"), 1);
    expect_never_called();
}

TEST_F(planted_later, an_exclusion_constraint) {
    sql().execute(
        "ALTER TABLE t ADD CONSTRAINT apart EXCLUDE (id WITH =) WHERE (email IS DISTINCT FROM 'q' AND "
        "array_length(emails, 1) > 0)");
    gate here(db(), 1);
    pgeist_process process = start(stopping_at(here));
    here.wait_until_reached();
    expect_told(here, process, length, {"index apart", "function ext.array_length(ext.citext[],integer)"});
}

TEST_F(planted_later, an_index_of_a_materialized_view) {
    sql().execute(
        "CREATE MATERIALIZED VIEW m AS SELECT id, emails, email FROM t; CREATE INDEX m_al ON m (array_length(emails, "
        "1)) WHERE email IS DISTINCT FROM 'q'");
    gate here(db(), 1);
    pgeist_process process = start(stopping_at(here));
    here.wait_until_reached();
    expect_told(here, process, length,
                {"index m_al of materialized view public.m", "would use other operators or functions"});
    EXPECT_EQ(sql().number("SELECT count(*) FROM m WHERE array_length(emails, 1) = 2"), 60);
}

TEST_F(planted_later, a_materialized_view) {
    sql().execute("CREATE MATERIALIZED VIEW m AS SELECT id, ext.size_of(emails) AS size FROM t");
    gate here(db(), 1);
    pgeist_process process = start(stopping_at(here));
    here.wait_until_reached();
    expect_told(here, process, "size_of(ext.citext[])",
                {"materialized view public.m", "would use other operators or functions"});
}

TEST_F(planted_later, a_view) {
    sql().execute("CREATE VIEW v AS SELECT id, ext.size_of(emails) AS size FROM t");
    gate here(db(), 1);
    pgeist_process process = start(stopping_at(here));
    here.wait_until_reached();
    expect_told(here, process, "size_of(ext.citext[])", {"v would use other operators or functions"});
    EXPECT_EQ(sql().number("SELECT count(*) FROM v WHERE size = 2"), 60);
}

/// Here the right one is known, and goes on to be used.
TEST_F(planted_later, what_a_column_is_set_to) {
    gate here(db(), 1);
    pgeist_process process =
        start(stopping_at(here, {"--alter", "ADD COLUMN size int", "--set", "size = size_of(emails)"}));
    here.wait_until_reached();
    plant("size_of(ext.citext[])");
    here.open();
    EXPECT_TRUE(exited(process.finish(), 0));
    expect_never_called();
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE size = 2"), 60);
    expect_cleanup_leaves_nothing();
}

class first_rows_of_an_index : public run_test {};

TEST_F(first_rows_of_an_index, find_a_function_that_reads_by_the_callers_path) {
    sql().execute(
        "CREATE TABLE rates (code text PRIMARY KEY, n int); INSERT INTO rates VALUES ('std', 3); CREATE FUNCTION "
        "rate_of(c text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN (SELECT n FROM rates WHERE code = c); "
        "END'; CREATE TABLE t (id int PRIMARY KEY, rate text); CREATE INDEX t_rate ON t (rate_of(rate)); INSERT INTO t "
        "SELECT g, 'std' FROM generate_series(1, 20) AS g");
    const run_result result = run({"--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"index t_rate", "public.rate_of(text)", "search_path"}));
    expect_nothing_left();
    sql().execute("ALTER FUNCTION rate_of SET search_path = public");
    EXPECT_TRUE(exited(run({"--repack"}), 0));
}

}  // namespace
}  // namespace pgeist::test
