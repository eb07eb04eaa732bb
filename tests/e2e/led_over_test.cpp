// What VACUUM FULL or ALTER TABLE leave as it is, though it hangs on the table's row type, on another object that does,
// or on a column that gets another name.

#include <gtest/gtest.h>

#include <string>

#include "e2e/run_test.hpp"

namespace pgeist::test {
namespace {

class led_over : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(30);
        }
    }

    run_result repack() { return run({"--repack"}); }
    run_result to_bigint() { return run({"--alter", "ALTER COLUMN id TYPE bigint"}); }
};

TEST_F(led_over, views_of_the_row_as_a_whole) {
    const std::string reader = db().create_role("reader");
    sql().execute(
        "CREATE VIEW rows AS SELECT t FROM t; CREATE VIEW noted AS SELECT (r.t).note, (r.t).id FROM rows r; CREATE "
        "VIEW documents AS SELECT to_jsonb(x) AS doc FROM t x; COMMENT ON VIEW rows IS 'whole'; GRANT SELECT ON "
        "noted TO " +
        reader);
    EXPECT_TRUE(exited(repack(), 0));
    EXPECT_TRUE(exited(to_bigint(), 0));
    EXPECT_EQ(type_of("t", "public.rows"), "t");
    EXPECT_EQ(type_of("id", "public.noted"), "bigint");
    EXPECT_EQ(sql().scalar("SELECT obj_description('rows'::regclass)"), "whole");
    sql().execute("UPDATE t SET note = 'seen' WHERE id = 3");
    EXPECT_EQ(db().connect_as(reader).number("SELECT count(*) FROM public.noted WHERE note = 'seen'"), 1);
    EXPECT_EQ(sql().number("SELECT count(*) FROM documents WHERE doc ->> 'note' = 'seen'"), 1);
    expect_cleanup_leaves_nothing();
}

TEST_F(led_over, materialized_views_on_materialized_views) {
    sql().execute(
        "CREATE MATERIALIZED VIEW first AS SELECT id, note FROM t; CREATE UNIQUE INDEX first_id ON first (id); "
        "CREATE MATERIALIZED VIEW second AS SELECT f.id, t.code FROM first f JOIN t USING (id); CREATE SCHEMA "
        "elsewhere; CREATE MATERIALIZED VIEW elsewhere.third AS SELECT count(*) AS n, sum(id) AS ids FROM "
        "second; COMMENT ON MATERIALIZED VIEW second IS 'on top'; CREATE MATERIALIZED VIEW elsewhere.alone AS "
        "SELECT code FROM t");
    const run_result result = to_bigint();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"materialized view elsewhere.third change their type: ids from bigint to numeric"}));
    EXPECT_EQ(type_of("id", "public.second"), "bigint");
    sql().execute(
        "INSERT INTO t (id, note) VALUES (5000000000, 'more'); REFRESH MATERIALIZED VIEW first; REFRESH "
        "MATERIALIZED VIEW second; REFRESH MATERIALIZED VIEW elsewhere.third");
    EXPECT_EQ(sql().number("SELECT n FROM elsewhere.third"), 31);
    EXPECT_EQ(sql().scalar("SELECT obj_description('second'::regclass)"), "on top");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 'first'::regclass AND indisunique"), 1);
    expect_cleanup_leaves_nothing();
}

TEST_F(led_over, materialized_views_on_others_go_with_a_job_that_is_undone) {
    sql().execute(
        "CREATE MATERIALIZED VIEW first AS SELECT id FROM t; CREATE MATERIALIZED VIEW second AS SELECT id FROM "
        "first");
    sync_connection holder = db().connect();
    holder.execute("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE");
    EXPECT_TRUE(exited(run({"--repack", "--swap-attempts", "2", "--lock-timeout", "20ms"}), 4));
    holder.execute("COMMIT");
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(sql().number("SELECT count(*) FROM second"), 30);
}

TEST_F(led_over, functions_of_the_row_type_with_views_on_them) {
    sql().execute(
        "CREATE FUNCTION label(t) RETURNS text STABLE LANGUAGE sql AS 'SELECT $1.note || $1.id'; CREATE FUNCTION "
        "twice(r t) RETURNS bigint STABLE BEGIN ATOMIC SELECT (r).id * 2::bigint; END; CREATE VIEW labels AS "
        "SELECT x.id, x.label FROM t x; CREATE VIEW upper AS SELECT l.label, twice(t) AS twice FROM labels l "
        "JOIN t USING (id)");
    EXPECT_TRUE(exited(repack(), 0));
    EXPECT_TRUE(exited(to_bigint(), 0));
    sql().execute("UPDATE t SET note = 'seen' WHERE id = 3");
    EXPECT_EQ(sql().scalar("SELECT label || ' ' || twice FROM upper WHERE label = 'seen3'"), "seen3 6");
    expect_cleanup_leaves_nothing();
}

TEST_F(led_over, sql_functions_follow_renamed_columns) {
    sql().execute(
        "CREATE FUNCTION noted() RETURNS bigint STABLE BEGIN ATOMIC SELECT count(note) FROM t WHERE code > 0; "
        "END; CREATE FUNCTION note(i int, n text) RETURNS void BEGIN ATOMIC UPDATE t SET note = n WHERE id = "
        "i; END");
    EXPECT_TRUE(exited(run({"--alter", "RENAME COLUMN note TO code_", "--alter", "RENAME COLUMN code TO note",
                            "--alter", "RENAME COLUMN code_ TO code", "--alter", "ALTER COLUMN id TYPE bigint"}),
                       0));
    sql().execute("SELECT note(4, 'changed')");
    EXPECT_EQ(sql().scalar("SELECT code FROM t WHERE id = 4"), "changed");
    EXPECT_EQ(sql().number("SELECT noted() - (SELECT count(code) FROM t WHERE note > 0)"), 0);
}

TEST_F(led_over, sql_functions_over_forced_row_security) {
    const std::string owner = db().create_role("owner");
    sql().execute(
        "CREATE TABLE secret (id int, owner text); INSERT INTO secret VALUES (1, 'x'), (2, 'y'); ALTER TABLE "
        "secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY x ON secret USING (owner = "
        "'x'); ALTER TABLE secret OWNER TO " +
        owner + "; GRANT ALL ON SCHEMA public TO " + owner + "; ALTER TABLE t OWNER TO " + owner +
        "; DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO " + owner +
        "', current_database()); END $$; SET ROLE " + owner +
        "; CREATE FUNCTION seen() RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) FROM t JOIN secret USING "
        "(id); END; CREATE MATERIALIZED VIEW kept AS SELECT s.id FROM secret s JOIN t USING (id); RESET ROLE");
    const run_result result = run_pgeist(db().uri_as(owner), {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(db().connect_as(owner).scalar("SELECT public.seen() || ' ' || (SELECT count(*) FROM public.kept)"),
              "1 1");
}

TEST_F(led_over, what_depends_on_extensions_does_so_afterwards) {
    sql().execute(
        "CREATE EXTENSION citext; CREATE FUNCTION noted() RETURNS bigint STABLE BEGIN ATOMIC SELECT count(note) "
        "FROM t; END; ALTER FUNCTION noted DEPENDS ON EXTENSION citext; CREATE FUNCTION label(t) RETURNS text "
        "LANGUAGE sql AS 'SELECT $1.note'; ALTER FUNCTION label DEPENDS ON EXTENSION citext; CREATE TABLE other "
        "(id int); CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE "
        "CONSTRAINT TRIGGER watch AFTER INSERT ON other FROM t FOR EACH ROW EXECUTE FUNCTION nothing(); ALTER "
        "TRIGGER watch ON other DEPENDS ON EXTENSION citext; COMMENT ON CONSTRAINT watch ON other IS 'watches'");
    EXPECT_TRUE(exited(repack(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_depend WHERE deptype = 'x' AND classid IN ('pg_proc'::regclass, "
                           "'pg_trigger'::regclass)"),
              3);
    EXPECT_EQ(sql().scalar("SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'watch'"),
              "watches");
}

TEST_F(led_over, other_types_of_dependents_are_told_by_the_plan) {
    sql().execute("CREATE VIEW sums AS SELECT sum(code) AS total, max(code) AS most FROM t");
    const run_result result = command("plan", {"--table", "t", "--alter", "ALTER COLUMN code TYPE bigint"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"view public.sums", "total from bigint to numeric", "most from integer to bigint"}));
}

}  // namespace
}  // namespace pgeist::test
