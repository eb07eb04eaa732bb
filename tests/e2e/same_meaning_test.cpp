// Settings of the user's sessions, and names, have a part in what text and values mean: they come out as from ALTER
// TABLE in the user's own session.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {
namespace {

class same_meaning : public run_test {
protected:
    /// A setting of the database, and of the test's own session.
    void set(const std::string& setting) {
        sql().execute("ALTER DATABASE " + db().name() + " SET " + setting);
        sql().execute("SET " + setting);
    }

    std::string definitions() {
        return sql().scalar(
            "SELECT string_agg(text, E'\\n' ORDER BY text) FROM (SELECT pg_get_viewdef(c.oid) FROM pg_class c WHERE "
            "relkind IN ('v', 'm') AND relnamespace = 'public'::regnamespace UNION ALL SELECT "
            "pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'public.t'::regclass UNION ALL SELECT "
            "indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL SELECT pg_get_functiondef(oid) FROM "
            "pg_proc WHERE pronamespace = 'public'::regnamespace) AS one(text)");
    }
};

TEST_F(same_meaning, a_null_in_an_array_where_array_nulls_is_off) {
    make_table(40);
    sql().execute(
        "ALTER TABLE t ADD CHECK (ARRAY[note] IS DISTINCT FROM '{NULL,x}'::text[]); CREATE INDEX few ON t (id) WHERE "
        "ARRAY[note] IS DISTINCT FROM '{NULL,y}'::text[]; CREATE VIEW v AS SELECT id FROM t WHERE ARRAY[note] IS "
        "DISTINCT FROM '{NULL}'::text[]; CREATE MATERIALIZED VIEW m AS SELECT '{NULL,z}'::text[] AS a, id FROM t; "
        "CREATE "
        "FUNCTION f() RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) FROM t WHERE ARRAY[note] <> "
        "'{NULL,b}'::text[]; END");
    const std::string before = definitions();
    ASSERT_EQ(before.find("\"NULL\""), std::string::npos);
    set("array_nulls = off");
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    sql().execute("SET array_nulls = on");
    EXPECT_EQ(definitions(), before);
    EXPECT_EQ(sql().number("SELECT count(*) FROM m WHERE a[1] IS NULL"), 40);
}

TEST_F(same_meaning, values_follow_array_nulls) {
    make_table(40);
    sql().execute("UPDATE t SET note = '{NULL,a}'");
    set("array_nulls = off");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN note TYPE text[] USING note::text[]"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE note[1] = 'NULL'"), 40);
}

TEST_F(same_meaning, values_that_look_like_names_of_the_jobs_schema) {
    make_table(40);
    sql().execute(
        "CREATE VIEW v AS SELECT 'pgeist_1.t ''pgeist_1.u'' pgeist_1.' AS \"a pgeist_1.b\", 't'::regclass AS itself, "
        "note FROM t; CREATE VIEW top AS SELECT \"a pgeist_1.b\", itself, 'pgeist_1.t'::text AS text FROM v");
    const std::string before = definitions();
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    EXPECT_EQ(definitions(), before);
    EXPECT_EQ(sql().scalar("SELECT DISTINCT itself::text FROM top"), "t");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN note TYPE varchar(90)"}), 0));
    EXPECT_EQ(sql().scalar("SELECT DISTINCT itself::text || ' ' || text FROM top"), "t pgeist_1.t");
}

class names_as_values : public same_meaning {
protected:
    void SetUp() override {
        same_meaning::SetUp();
        if (IsSkipped()) {
            return;
        }
        sql().execute(
            "CREATE SCHEMA app; CREATE TABLE app.orders (id int); CREATE TABLE public.items (id int); CREATE TABLE "
            "public.t (id int PRIMARY KEY, rel regclass, rels regclass[], kind regtype, name text, n int); INSERT INTO "
            "public.t SELECT g, (ARRAY['app.orders', 'public.items', 'pg_class'])[g % 3 + 1]::regclass, "
            "ARRAY['app.orders', 'public.items']::regclass[], 'int'::regtype, (ARRAY['items', 'app.orders'])[g % 2 + "
            "1], "
            "g FROM generate_series(1, 30) AS g; CREATE TABLE public.wanted AS SELECT * FROM public.t");
    }

    void expect_as_native(const std::string& alter) {
        sql().execute("ALTER TABLE wanted " + alter);
        EXPECT_TRUE(exited(run({"--keep-old", "--alter", alter}), 0));
        EXPECT_EQ(differing_rows(sql(), "public.wanted", "public.t"), std::vector<std::string>{});
    }
};

TEST_F(names_as_values, are_written_as_in_the_users_session) {
    expect_as_native("ALTER COLUMN rel TYPE text");
    EXPECT_EQ(sql().scalar("SELECT string_agg(DISTINCT rel, ' ' ORDER BY rel) FROM t"), "app.orders items pg_class");
    expect_as_native("ALTER COLUMN rels TYPE text[]");
    expect_as_native("ALTER COLUMN kind TYPE varchar(40) USING 'of ' || kind");
}

TEST_F(names_as_values, are_written_by_the_users_path_and_quotes) {
    set("search_path = app, public");
    set("quote_all_identifiers = on");
    expect_as_native("ALTER COLUMN rel TYPE varchar(60)");
    EXPECT_EQ(sql().scalar("SELECT string_agg(DISTINCT rel, ' ' ORDER BY rel) FROM t"),
              "\"items\" \"orders\" \"pg_class\"");
    expect_as_native("ALTER COLUMN name TYPE varchar(80) USING quote_ident(name)");
}

TEST_F(names_as_values, are_found_as_in_the_users_session) {
    expect_as_native("ALTER COLUMN name TYPE regclass USING name::regclass");
}

TEST_F(names_as_values, that_change_their_type_alone_are_found_too) {
    expect_as_native("ALTER COLUMN name TYPE regclass");
}

class exchanged_names : public run_test {};

TEST_F(exchanged_names, are_exchanged_and_not_taken_for_done) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, a int, b int); INSERT INTO t SELECT g, g, -g FROM generate_series(1, 30) "
        "AS g");
    const std::vector<std::string> exchange{"--alter", "RENAME COLUMN a TO c, RENAME COLUMN b TO a", "--alter",
                                            "RENAME COLUMN c TO b"};
    const run_result result = run(exchange);
    EXPECT_TRUE(exited(result, 0));
    EXPECT_FALSE(result.mentions("nothing to do"));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE a = -id AND b = id"), 30);
    EXPECT_TRUE(says(run(exchange), {"nothing to do"})) << "the job is known";
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE a = -id AND b = id"), 30);
}

TEST_F(exchanged_names, of_constraints) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, a int CONSTRAINT low CHECK (a > 0), b int CONSTRAINT high CHECK (b < 0)); "
        "INSERT INTO t SELECT g, g, -g FROM generate_series(1, 30) AS g");
    EXPECT_TRUE(exited(run({"--alter", "RENAME CONSTRAINT low TO x", "--alter", "RENAME CONSTRAINT high TO low",
                            "--alter", "RENAME CONSTRAINT x TO high"}),
                       0));
    EXPECT_EQ(sql().scalar("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'high' AND conrelid = "
                           "'t'::regclass"),
              "CHECK ((a > 0))");
}

}  // namespace
}  // namespace pgeist::test
