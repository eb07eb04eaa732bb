// Text that the server parses again means what it meant: operators that the text does not show (JOIN … USING, IS
// DISTINCT FROM, NULLIF, CASE x WHEN y) are those of before, in whatever kind of object, for whatever type.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"

namespace pgeist::test {
namespace {

/// A type whose operators are not in pg_catalog, with two values that are equal to it and not as text.
struct foreign_type {
    std::string extension;
    std::string type;
    std::string value;
    std::string same;
};

const foreign_type citext{"citext", "citext", "'Ann@X.test'", "'ann@x.TEST'"};
const foreign_type hstore{"hstore", "hstore", "'b=>2, a=>1'", "'a=>1,  b=>2'"};
const foreign_type ltree{"ltree", "ltree", "'hall.a'", "'hall.a'"};

class read_again : public run_test {
protected:
    /// The extension stands in `schema`, which the database's search_path has. A session of afterwards has it too.
    void install(const foreign_type& what, const std::string& schema) {
        of = what;
        sql().execute("CREATE SCHEMA IF NOT EXISTS " + schema + "; CREATE EXTENSION " + what.extension + " SCHEMA " +
                      schema);
        sql().execute("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, " + schema +
                      "', current_database()); END $$; SET search_path = public, " + schema);
        sql().execute("CREATE TABLE t (id int PRIMARY KEY, key " + of.type + ", n int); INSERT INTO t VALUES (1, " +
                      of.value + ", 1), (2, NULL, 2); CREATE TABLE u (key " + of.type +
                      ", n int); INSERT INTO u VALUES (" + of.same + ", 7)");
    }

    /// One object of each kind, whose text does not show its operators.
    void make_dependents() {
        const std::string same = of.same + "::" + of.type;
        sql().execute(
            "CREATE VIEW joined AS SELECT t.id, u.n FROM t JOIN u USING (key); CREATE VIEW equal AS SELECT id "
            "FROM t WHERE key IS NOT DISTINCT FROM " +
            same + "; CREATE VIEW named AS SELECT id, CASE key WHEN " + same +
            " THEN 'ann' ELSE 'other' END AS label FROM t; CREATE VIEW emptied AS SELECT id, NULLIF(key, " + same +
            ") AS key FROM t; CREATE VIEW upper AS SELECT j.n FROM joined j JOIN emptied e USING (id)");
        sql().execute(
            "CREATE MATERIALIZED VIEW stored AS SELECT t.id, u.n FROM t JOIN u USING (key); CREATE INDEX "
            "stored_key ON stored ((NULLIF(n, 3)))");
        sql().execute(
            "CREATE FUNCTION found() RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) FROM t JOIN u USING "
            "(key); END");
        sql().execute("CREATE RULE own AS ON DELETE TO t WHERE OLD.key IS NOT DISTINCT FROM " + same +
                      " DO INSTEAD NOTHING; CREATE RULE elsewhere AS ON UPDATE TO u WHERE EXISTS (SELECT FROM t JOIN u "
                      "USING (key)) DO INSTEAD NOTHING");
        sql().execute(
            "CREATE POLICY hide ON u FOR SELECT USING (NOT EXISTS (SELECT FROM t WHERE t.key IS NOT DISTINCT "
            "FROM u.key)); CREATE POLICY own ON t FOR SELECT USING (id IN (SELECT x.id FROM t x JOIN u USING "
            "(key)))");
    }

    std::string seen() {
        return sql().scalar(
            "SELECT concat_ws(' ', (SELECT count(*) FROM joined), (SELECT count(*) FROM equal), (SELECT count(*) FROM "
            "named WHERE label = 'ann'), (SELECT count(*) FROM emptied WHERE key IS NULL), (SELECT count(*) FROM "
            "upper), "
            "(SELECT count(*) FROM stored), found(), (SELECT string_agg(regexp_replace(pg_get_viewdef(c.oid), '\\s+', "
            "' ', 'g'), '' ORDER BY relname) FROM pg_class c WHERE relkind IN ('v', 'm') AND relnamespace = "
            "'public'::regnamespace), (SELECT string_agg(definition, '' ORDER BY rulename) FROM pg_rules WHERE "
            "schemaname = "
            "'public'), (SELECT string_agg(qual, '' ORDER BY policyname) FROM pg_policies WHERE schemaname = "
            "'public'))");
    }

    /// Every operator in the stored trees of what the table has or is read by, in their order.
    std::string operators() {
        return sql().scalar(
            "SELECT string_agg(name || ':' || (SELECT string_agg(used[1], ' ' ORDER BY place) FROM "
            "regexp_matches(tree, ':opno (\\d+)', 'g') WITH ORDINALITY AS m(used, place)), ' ' ORDER BY name) FROM ("
            "SELECT 'rule ' || ev_class::regclass || rulename AS name, concat(ev_qual::text, ev_action::text) AS tree "
            "FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class WHERE relnamespace = 'public'::regnamespace UNION ALL "
            "SELECT 'policy ' || polname || polrelid::regclass, "
            "concat(polqual::text, polwithcheck::text) FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE "
            "relnamespace = 'public'::regnamespace UNION ALL SELECT 'function ' || proname, "
            "prosqlbody::text FROM pg_proc WHERE prosqlbody IS NOT NULL AND pronamespace = 'public'::regnamespace) AS "
            "all_of_them WHERE tree ~ ':opno'");
    }

    void expect_kept(const std::vector<std::string>& arguments) {
        const std::string rows = seen();
        const std::string used = operators();
        EXPECT_TRUE(exited(run(arguments), 0));
        EXPECT_EQ(seen(), rows);
        EXPECT_EQ(operators(), used);
    }

    foreign_type of;
};

TEST_F(read_again, citext_in_public_in_every_kind_of_dependent) {
    install(citext, "public");
    make_dependents();
    ASSERT_EQ(seen().substr(0, 13), "1 1 1 2 1 1 1");
    expect_kept({"--repack"});
    expect_kept({"--alter", "ALTER COLUMN n TYPE bigint"});
    expect_cleanup_leaves_nothing();
}

TEST_F(read_again, citext_in_a_schema_of_its_own) {
    install(citext, "ext");
    make_dependents();
    expect_kept({"--repack"});
    expect_kept({"--alter", "ADD COLUMN more int"});
}

TEST_F(read_again, hstore_which_has_no_cast_to_text) {
    install(hstore, "ext");
    make_dependents();
    expect_kept({"--repack"});
}

TEST_F(read_again, ltree_in_public) {
    install(ltree, "public");
    make_dependents();
    expect_kept({"--repack"});
}

TEST_F(read_again, a_policy_elsewhere_hides_what_it_hid) {
    install(citext, "ext");
    const std::string reader = db().create_role("reader");
    sql().execute(
        "CREATE POLICY hide ON u USING (NOT EXISTS (SELECT FROM t WHERE t.key IS NOT DISTINCT FROM u.key)); "
        "ALTER TABLE u ENABLE ROW LEVEL SECURITY; GRANT USAGE ON SCHEMA public, ext TO " +
        reader + "; GRANT SELECT ON t, u TO " + reader);
    ASSERT_EQ(db().connect_as(reader).number("SELECT count(*) FROM public.u"), 0);
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    EXPECT_EQ(db().connect_as(reader).number("SELECT count(*) FROM public.u"), 0);
}

TEST_F(read_again, the_views_are_made_anew_with_their_operators) {
    install(citext, "ext");
    sql().execute(
        "CREATE VIEW changed AS SELECT t.n, u.key FROM t JOIN u USING (key); CREATE VIEW upper AS SELECT c.n "
        "FROM changed c WHERE c.key IS NOT DISTINCT FROM 'ANN@X.TEST'");
    ASSERT_EQ(sql().number("SELECT count(*) FROM upper"), 1);
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN n TYPE bigint"}), 0));
    EXPECT_EQ(type_of("n", "public.upper"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM upper"), 1);
}

TEST_F(read_again, names_that_change_do_not_change_the_operators) {
    install(citext, "ext");
    sql().execute(
        "CREATE VIEW equal AS SELECT key FROM t WHERE key IS NOT DISTINCT FROM 'ANN@X.TEST'::citext AND (key, id) IN "
        "(SELECT 'ann@X.test'::citext, 1); CREATE "
        "FUNCTION found() RETURNS bigint STABLE BEGIN ATOMIC SELECT count(*) FROM t WHERE key IS NOT DISTINCT "
        "FROM 'ANN@X.TEST'::citext; END");
    const std::string used = operators();
    EXPECT_TRUE(exited(run({"--alter", "RENAME COLUMN key TO email"}), 0));
    EXPECT_EQ(operators(), used);
    EXPECT_EQ(sql().scalar("SELECT found() || ' ' || count(key) FROM equal"), "1 1");
}

TEST_F(read_again, set_and_using_mean_what_they_mean_to_the_user) {
    install(citext, "ext");
    sql().execute(
        "INSERT INTO t SELECT g, CASE g % 3 WHEN 0 THEN 'N/A' WHEN 1 THEN 'n/a' ELSE 'x' || g END, g FROM "
        "generate_series(3, 400) AS g; CREATE TABLE wanted AS SELECT id, NULLIF(key, 'N/a') AS key, CASE key "
        "WHEN 'N/A' THEN 1 ELSE 0 END AS hit, key IS DISTINCT FROM 'n/A' AS n FROM t");
    EXPECT_TRUE(exited(run({"--keep-old", "--alter", "ADD COLUMN hit int", "--alter",
                            "ALTER COLUMN n TYPE bool USING (key IS DISTINCT FROM 'n/A')", "--set",
                            "key = NULLIF(key, 'N/a')", "--set", "hit = CASE key WHEN 'N/A' THEN 1 ELSE 0 END"}),
                       0));
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM t JOIN wanted w USING (id) WHERE (t.key::text, t.hit, t.n) IS DISTINCT "
                     "FROM (w.key::text, w.hit, w.n)"),
        0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_proc WHERE proname LIKE 'pgeist_value%'"), 0);
    expect_cleanup_leaves_nothing();
}

TEST_F(read_again, an_expression_of_a_users_operators_costs_no_call_for_each_row) {
    install(citext, "ext");
    pgeist_process process = start({"--repack", "--set", "key = NULLIF(key, 'N/A')", "--postpone-swap"});
    process.wait_for_phase("swap");
    const std::string call = sql().scalar(
        "SELECT c ->> 'expression' FROM pgeist.jobs, jsonb_array_elements((blueprint -> "
        "'columns')::jsonb) AS c WHERE c ->> 'name' = 'key'");
    EXPECT_NE(call.find("pgeist_value_1"), std::string::npos);
    const std::string plan =
        sql().scalar("EXPLAIN (VERBOSE, COSTS off, FORMAT json) SELECT " + call + " FROM public.t");
    EXPECT_EQ(plan.find("pgeist_value_1"), std::string::npos);
    sql().execute("UPDATE t SET key = 'n/A' WHERE id = 2");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(process.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE key IS NULL"), 1);
}

TEST_F(read_again, the_row_as_a_whole_can_be_set) {
    make_table(20);
    sql().execute("CREATE TABLE wanted AS SELECT id, to_jsonb(t) AS doc, md5(t::text) AS digest FROM public.t");
    EXPECT_TRUE(exited(run({"--alter", "ADD COLUMN doc jsonb, ADD COLUMN digest text", "--set", "doc = to_jsonb(t)",
                            "--set", "digest = md5(t::text)"}),
                       0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t JOIN wanted w USING (id) WHERE (t.doc, t.digest) = (w.doc, "
                           "w.digest)"),
              20);
}

TEST_F(read_again, collations_of_columns_stay_in_an_expression_that_becomes_a_function) {
    install(citext, "ext");
    sql().execute(
        "ALTER TABLE t ADD COLUMN word text COLLATE \"C\"; UPDATE t SET word = 'a' WHERE id = 1; UPDATE t SET "
        "word = 'B' WHERE id = 2");
    EXPECT_TRUE(exited(
        run({"--alter", "ADD COLUMN less bool", "--set", "less = (word < 'a' AND NULLIF(key, 'none') IS NULL)"}), 0));
    EXPECT_EQ(sql().scalar("SELECT string_agg(less::text, ' ' ORDER BY id) FROM t"), "false true");
}

TEST_F(read_again, new_foreign_keys_are_checked_with_their_own_operators) {
    install(citext, "public");
    sql().execute(
        "CREATE EXTENSION ltree; CREATE TABLE members (key citext PRIMARY KEY); INSERT INTO members VALUES "
        "('ANN@X.test'); CREATE TABLE shelves (path ltree PRIMARY KEY); INSERT INTO shelves VALUES ('hall.a'); "
        "ALTER TABLE t ADD COLUMN path ltree DEFAULT 'hall.a'");
    EXPECT_TRUE(exited(run({"--alter", "ADD CONSTRAINT member FOREIGN KEY (key) REFERENCES members", "--alter",
                            "ADD CONSTRAINT shelf FOREIGN KEY (path) REFERENCES shelves"}),
                       0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conname IN ('member', 'shelf') AND convalidated"),
              2);
    sql().execute("ALTER TABLE t DROP CONSTRAINT member");
    sql().execute("INSERT INTO t VALUES (3, 'nobody@x.test')");
    const run_result bad = run({"--alter", "ADD CONSTRAINT again FOREIGN KEY (key) REFERENCES members"});
    EXPECT_TRUE(exited(bad, 1));
}

/// A view that needs two schemas to be read again, of which the first gets another `=` for the same type.
class planted_operator : public read_again {
protected:
    void SetUp() override {
        read_again::SetUp();
        if (!IsSkipped()) {
            install(citext, "ext");
            sql().execute(
                "CREATE SCHEMA a; CREATE OPERATOR a.=== (LEFTARG = ext.citext, RIGHTARG = ext.citext, FUNCTION "
                "= ext.citext_eq); CREATE VIEW equal AS SELECT id FROM t WHERE key OPERATOR(a.===) "
                "'ANN@x.test'::citext AND key IS NOT DISTINCT FROM 'ANN@x.test'::citext");
        }
    }

    void plant() {
        sql().execute("CREATE OPERATOR a.= (LEFTARG = ext.citext, RIGHTARG = ext.citext, FUNCTION = ext.citext_ne)");
    }
};

TEST_F(planted_operator, is_a_refusal_when_it_is_there) {
    plant();
    const run_result result = run({"--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"view public.equal", "operator a.=(ext.citext,ext.citext)"}));
    expect_nothing_left();
}

TEST_F(planted_operator, of_later_is_noticed_in_the_swap) {
    pgeist_process process = start({"--repack", "--postpone-swap"});
    process.wait_for_phase("swap");
    plant();
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result result = process.finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"equal would use other operators"}));
    EXPECT_EQ(sql().number("SELECT count(*) FROM equal"), 1);
    expect_cleanup_leaves_nothing();
}

// An exact match in a schema of the path goes before a built-in function that takes anything.
TEST_F(read_again, a_function_that_is_planted_later_is_noticed_in_the_swap) {
    install(citext, "ext");
    sql().execute(
        "CREATE VIEW labels AS SELECT to_jsonb(key) AS label FROM t WHERE key IS NOT DISTINCT FROM "
        "'ANN@x.test'::citext");
    const std::string before = sql().scalar("SELECT label FROM labels");
    pgeist_process process = start({"--repack", "--postpone-swap"});
    process.wait_for_phase("swap");
    sql().execute(
        "CREATE FUNCTION ext.to_jsonb(ext.citext) RETURNS jsonb LANGUAGE sql AS $$ SELECT '\"planted\"'::jsonb $$");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result result = process.finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"labels would use other operators"}));
    EXPECT_EQ(sql().scalar("SELECT label FROM labels"), before);
    expect_cleanup_leaves_nothing();
}

class not_repeatable : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(50);
        }
    }
};

TEST_F(not_repeatable, bare_literals_are_what_they_are_when_the_run_begins) {
    EXPECT_TRUE(exited(run({"--keep-old", "--alter",
                            "ADD COLUMN at timestamptz, ADD COLUMN day date, ALTER COLUMN note "
                            "TYPE timestamp USING 'now'",
                            "--set", "at = 'now'", "--set", "day = 'today'"}),
                       0));
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM (SELECT DISTINCT at, day, note FROM public.t) AS d WHERE at IS NOT NULL "
                     "AND day >= current_date - 1 AND note IS NOT NULL"),
        1);
}

TEST_F(not_repeatable, a_literal_that_is_no_value_of_the_type_is_a_refusal) {
    const run_result result = run({"--repack", "--set", "code = 'many'"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"--set code", "many"}));
}

TEST_F(not_repeatable, functions_of_the_session_are_not_compared) {
    const run_result result = run(
        {"--repack", "--set", "code = pg_backend_pid()", "--set", "note = coalesce(inet_client_port()::text, note)"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"code cannot be verified", "note cannot be verified"}));
}

class first_rows : public run_test {};

TEST_F(first_rows, a_check_that_finds_its_table_by_the_path_is_a_refusal_of_the_plan) {
    sql().execute(
        "CREATE TABLE rates (code text PRIMARY KEY); INSERT INTO rates VALUES ('std'); CREATE FUNCTION known(c text) "
        "RETURNS bool LANGUAGE plpgsql STABLE AS 'BEGIN RETURN EXISTS (SELECT FROM rates WHERE code = c); END'; CREATE "
        "TABLE t (id int PRIMARY KEY, rate text CONSTRAINT rate_known CHECK (known(rate)), n int CONSTRAINT fine CHECK "
        "(n "
        "> 0)); INSERT INTO t SELECT g, 'std', g FROM generate_series(1, 20) AS g");
    const run_result result = run({"--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"rate_known", "public.known(text)", "search_path"}));
    sql().execute("ALTER FUNCTION known SET search_path = public");
    EXPECT_TRUE(exited(run({"--repack"}), 0));
}

TEST_F(first_rows, use_up_no_number_of_a_sequence) {
    make_table(20);
    sql().execute("CREATE SEQUENCE numbers");
    EXPECT_TRUE(exited(command("plan", {"--table", "t", "--alter",
                                        "ADD COLUMN a int GENERATED ALWAYS AS IDENTITY, ADD COLUMN b int DEFAULT "
                                        "nextval('numbers')",
                                        "--set", "code = nextval('numbers')"}),
                       0));
    EXPECT_EQ(sql().scalar("SELECT is_called FROM numbers"), "f");
}

}  // namespace
}  // namespace pgeist::test
