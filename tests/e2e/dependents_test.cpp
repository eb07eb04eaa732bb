// Objects elsewhere that hold the table by its OID: after the swap they are the same, and hold the new one.

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/table_description.hpp"

namespace pgeist::test {
namespace {

class dependents : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(50);
        }
    }

    run_result to_bigint() { return run({"--alter", "ALTER COLUMN id TYPE bigint"}); }

    /// All that makes a view what it is, without OIDs.
    std::string view(const std::string& name) {
        return sql().scalar(
            R"(SELECT concat_ws(E'\n', pg_get_viewdef(c.oid), pg_get_userbyid(c.relowner), c.relacl::text,
                      c.reloptions::text, obj_description(c.oid, 'pg_class'),
                      (SELECT string_agg(concat_ws(' ', a.attname, pg_get_expr(d.adbin, d.adrelid),
                                                   col_description(c.oid, a.attnum), a.attacl::text), ', ' ORDER BY attnum)
                         FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                        WHERE a.attrelid = c.oid AND a.attnum > 0),
                      (SELECT string_agg(pg_get_triggerdef(t.oid) || t.tgenabled::text, ', ' ORDER BY t.tgname) FROM pg_trigger t
                        WHERE t.tgrelid = c.oid))
                 FROM pg_class c WHERE c.oid = $1::regclass)",
            {name});
    }

    std::string oid_of(const std::string& name) { return sql().scalar("SELECT $1::regclass::oid", {name}); }
};

TEST_F(dependents, views_that_keep_their_columns_stay_the_same_objects) {
    const std::string reader = db().create_role("reader");
    sql().execute(
        "CREATE VIEW public.notes WITH (security_barrier) AS SELECT note, code FROM public.t WHERE id < 40; "
        "COMMENT ON VIEW public.notes IS 'what was noted'; GRANT SELECT ON public.notes TO " +
        reader + "; CREATE VIEW public.standing AS SELECT note FROM public.notes");
    const std::string oid = oid_of("public.notes");
    const std::string before = view("public.notes");
    EXPECT_TRUE(exited(to_bigint(), 0));
    EXPECT_EQ(oid_of("public.notes"), oid);
    EXPECT_EQ(view("public.notes"), before);
    sql().execute("UPDATE public.t SET note = 'seen' WHERE id = 7");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.standing WHERE note = 'seen'"), 1);
    EXPECT_EQ(db().connect_as(reader).number("SELECT count(*) FROM public.notes"), 39);
    expect_cleanup_leaves_nothing();
}

TEST_F(dependents, views_that_get_other_types_are_made_again_with_all_they_had) {
    const std::string owner = db().create_role("owner");
    const std::string reader = db().create_role("reader");
    sql().execute("CREATE SCHEMA elsewhere; GRANT USAGE, CREATE ON SCHEMA public, elsewhere TO " + owner +
                  "; GRANT SELECT ON public.t TO " + owner);
    sql().execute(
        "CREATE VIEW public.ids AS SELECT id, note FROM public.t; CREATE VIEW elsewhere.\"On top\" AS SELECT id + 1 AS "
        "\"Next\", i.note FROM public.ids i JOIN public.t USING (id); CREATE VIEW public.third AS SELECT \"Next\" FROM "
        "elsewhere.\"On top\" WITH CASCADED CHECK OPTION; ALTER VIEW public.ids OWNER TO " +
        owner + "; GRANT SELECT ON public.ids TO " + reader +
        " WITH GRANT OPTION; GRANT UPDATE (note) ON public.ids TO " + reader +
        "; COMMENT ON VIEW public.ids IS 'ids'; COMMENT ON COLUMN public.ids.id IS 'the id'; ALTER VIEW public.ids "
        "ALTER "
        "COLUMN note SET DEFAULT 'none'; CREATE FUNCTION public.instead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
        "RETURN "
        "NULL; END'; CREATE TRIGGER instead INSTEAD OF DELETE ON public.ids FOR EACH ROW EXECUTE FUNCTION "
        "public.instead()");
    const std::string ids = view("public.ids");
    const std::string on_top = view("elsewhere.\"On top\"");
    const std::string third = view("public.third");
    EXPECT_TRUE(exited(to_bigint(), 0));
    EXPECT_EQ(view("public.ids"), ids);
    EXPECT_EQ(view("elsewhere.\"On top\""), on_top);
    EXPECT_EQ(view("public.third"), third);
    EXPECT_EQ(type_of("id", "public.ids"), "bigint");
    EXPECT_EQ(type_of("Next", "public.third"), "bigint");
    sql().execute("INSERT INTO public.t (id, note) VALUES (5000000000, 'large')");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.third WHERE \"Next\" = 5000000001"), 1);
    expect_cleanup_leaves_nothing();
}

TEST_F(dependents, views_follow_renamed_columns) {
    sql().execute("CREATE VIEW public.v AS SELECT note, code AS number FROM public.t");
    EXPECT_TRUE(exited(run({"--alter", "RENAME COLUMN note TO code_", "--alter", "RENAME COLUMN code TO note",
                            "--alter", "RENAME COLUMN code_ TO code", "--alter", "ALTER COLUMN id TYPE bigint"}),
                       0));
    EXPECT_EQ(sql().scalar("SELECT v.note FROM public.v JOIN public.t ON t.code = v.note WHERE id = 9"), "note 9");
}

TEST_F(dependents, a_view_on_a_dropped_column_is_a_refusal) {
    sql().execute("CREATE VIEW public.v AS SELECT note FROM public.t");
    const table_state before = state_of();
    const run_result result = run({"--alter", "DROP COLUMN note"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"view public.v", "note"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(dependents, a_view_that_the_new_type_breaks_is_a_refusal) {
    sql().execute(
        "CREATE FUNCTION public.of_int(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE VIEW public.v AS "
        "SELECT public.of_int(id) AS n FROM public.t");
    const run_result result = to_bigint();
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"view public.v", "of_int"}));
    expect_nothing_left();
}

TEST_F(dependents, materialized_views_are_built_anew_with_all_they_had) {
    const std::string owner = db().create_role("owner");
    const std::string reader = db().create_role("reader");
    sql().execute("GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; GRANT SELECT ON public.t TO " + owner);
    sql().execute(
        "CREATE MATERIALIZED VIEW public.m WITH (fillfactor = 70) AS SELECT id, note, session_user AS who, "
        "current_user AS "
        "by_whom FROM public.t; CREATE UNIQUE INDEX m_id ON public.m (id); CREATE INDEX m_upper ON public.m "
        "(upper(note)) "
        "WHERE id > 3; COMMENT ON MATERIALIZED VIEW public.m IS 'made'; COMMENT ON COLUMN public.m.note IS 'the note'; "
        "ALTER MATERIALIZED VIEW public.m ALTER COLUMN note SET STATISTICS 77; GRANT SELECT ON public.m TO " +
        reader + "; ALTER MATERIALIZED VIEW public.m OWNER TO " + owner);
    sql().execute("CREATE MATERIALIZED VIEW public.empty AS SELECT note FROM public.t WITH NO DATA");
    const auto before = describe_table(sql(), "public", "m");
    const std::string definition = sql().scalar("SELECT pg_get_viewdef('public.m'::regclass)");
    sql().execute("UPDATE public.t SET note = 'later' WHERE id = 9");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN amount TYPE numeric(30, 4)"}), 0));
    EXPECT_EQ(description_difference(before, describe_table(sql(), "public", "m")), std::vector<std::string>{});
    EXPECT_EQ(sql().scalar("SELECT pg_get_viewdef('public.m'::regclass)"), definition);
    EXPECT_EQ(sql().scalar("SELECT note FROM public.m WHERE id = 9"), "later");
    EXPECT_EQ(sql().scalar("SELECT DISTINCT by_whom FROM public.m"), owner) << "not built with its owner's rights";
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname = 'empty' AND NOT relispopulated"), 1);
    sql().execute("DELETE FROM public.t WHERE id = 9");
    sql().execute("REFRESH MATERIALIZED VIEW CONCURRENTLY public.m");
    sql().execute("REFRESH MATERIALIZED VIEW public.empty");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.m"), 49);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.empty"), 49);
    expect_cleanup_leaves_nothing();
}

TEST_F(dependents, a_materialized_view_goes_with_a_job_that_is_undone) {
    sql().execute("CREATE MATERIALIZED VIEW public.m AS SELECT id FROM public.t");
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    EXPECT_TRUE(exited(run({"--repack", "--swap-max-wait", "1s", "--swap-attempts", "2"}), 4));
    reader.execute("COMMIT");
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.m"), 50);
}

TEST_F(dependents, functions_are_the_same_with_their_rights) {
    const std::string caller = db().create_role("caller");
    sql().execute(
        "CREATE FUNCTION public.rows() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM public.t; END; "
        "CREATE FUNCTION public.label(public.t) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1.note'; "
        "CREATE FUNCTION public.some_rows() RETURNS SETOF public.t LANGUAGE sql AS 'SELECT * FROM public.t WHERE id < "
        "4'; "
        "CREATE PROCEDURE public.take(public.t[]) LANGUAGE plpgsql AS 'BEGIN END'; "
        "COMMENT ON FUNCTION public.label IS 'a label'; REVOKE ALL ON FUNCTION public.label FROM PUBLIC; "
        "GRANT EXECUTE ON FUNCTION public.label TO " +
        caller);
    const std::string rights =
        "SELECT proname || coalesce(proacl::text, '') || coalesce(obj_description(oid, 'pg_proc'), '') "
        "|| pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'label'";
    const std::string before = sql().scalar(rights);
    EXPECT_TRUE(exited(to_bigint(), 0));
    EXPECT_EQ(sql().scalar(rights), before);
    sql().execute("DELETE FROM public.t WHERE id = 1");
    EXPECT_EQ(sql().number("SELECT public.rows()"), 49);
    EXPECT_EQ(sql().scalar("SELECT t.label FROM public.t WHERE id = 7"), "note 7");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.some_rows()"), 2);
    sql().execute("CALL public.take(ARRAY[]::public.t[])");
    expect_cleanup_leaves_nothing();
}

TEST_F(dependents, rules_policies_defaults_and_triggers) {
    sql().execute(
        "CREATE TABLE public.other (id int, at regclass DEFAULT 'public.t'::regclass); INSERT INTO public.other VALUES "
        "(3), "
        "(1000); CREATE POLICY seen ON public.other USING (EXISTS (SELECT FROM public.t WHERE t.id = other.id)); "
        "CREATE RULE also AS ON DELETE TO public.other DO ALSO DELETE FROM public.t WHERE t.id = old.id; "
        "CREATE RULE own AS ON DELETE TO public.t WHERE old.id = 5 DO INSTEAD UPDATE public.t SET note = 'kept' WHERE "
        "id = 5; "
        "COMMENT ON RULE own ON public.t IS 'five stays'; ALTER TABLE public.t DISABLE RULE own; "
        "CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
        "CREATE CONSTRAINT TRIGGER checked AFTER INSERT ON public.other FROM public.t DEFERRABLE FOR EACH ROW EXECUTE "
        "FUNCTION public.fire()");
    const std::string all =
        "SELECT concat_ws(E'\\n', (SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'seen'), "
        "(SELECT string_agg(pg_get_ruledef(oid) || ev_enabled::text || coalesce(obj_description(oid, 'pg_rewrite'), "
        "''), ', "
        "' "
        "ORDER BY rulename) FROM pg_rewrite WHERE ev_class IN ('public.t'::regclass, 'public.other'::regclass)), "
        "(SELECT pg_get_triggerdef(oid) FROM "
        "pg_trigger WHERE tgname = 'checked'), (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = "
        "'public.other'::regclass))";
    const std::string before = sql().scalar(all);
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    EXPECT_EQ(sql().scalar(all), before);
    sql().execute("INSERT INTO public.other (id) VALUES (8); DELETE FROM public.other WHERE id = 3");
    EXPECT_EQ(sql().scalar("SELECT at FROM public.other WHERE id = 8"), "t");
    EXPECT_EQ(note_of(3), "no row");
    sql().execute("ALTER TABLE public.t ENABLE RULE own; DELETE FROM public.t WHERE id = 5");
    EXPECT_EQ(note_of(5), "kept");
    expect_cleanup_leaves_nothing();
}

TEST_F(dependents, changed_by_others_during_the_run_are_not_set_back) {
    sql().execute("CREATE VIEW public.v AS SELECT note FROM public.t");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("CREATE OR REPLACE VIEW public.v AS SELECT upper(note) AS note FROM public.t");
    const std::string changed = view("public.v");
    const run_result asked = command("swap", {text_of(only_job(db().uri()), "job")});
    if (!exited(asked, 0)) {  // the run has noticed by itself, and ended
        EXPECT_TRUE(exited(asked, 3));
        EXPECT_TRUE(says(asked, {"nobody runs job"}));
    }
    EXPECT_TRUE(exited(running.finish(), 1));
    EXPECT_EQ(view("public.v"), changed);
    EXPECT_EQ(type_of("id"), "integer");
    expect_cleanup_leaves_nothing();
}

// Readers of a view lock the view before the table.
TEST_F(dependents, readers_of_a_view_notice_nothing) {
    sql().execute("CREATE VIEW public.v AS SELECT id, note FROM public.t");
    std::atomic<bool> stop = false;
    std::atomic<int> reads = 0;
    std::vector<std::string> errors(3);
    std::vector<std::thread> readers;
    for (int number = 0; number < 3; ++number) {
        readers.emplace_back([&, number] {
            sync_connection application = db().connect();
            while (!stop && errors[static_cast<std::size_t>(number)].empty()) {
                errors[static_cast<std::size_t>(number)] = application.sqlstate_of("SELECT count(*) FROM public.v");
                ++reads;
            }
        });
    }
    const run_result result = to_bigint();
    stop = true;
    for (auto& each : readers) {
        each.join();
    }
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(errors, std::vector<std::string>(3));
    EXPECT_GT(reads, 10);
}

// The plan's own list of what must be there is compared in the swap's transaction.
TEST_F(dependents, a_loss_found_in_the_swap_rolls_it_back) {
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    running.signal(SIGINT);
    EXPECT_TRUE(exited(running.finish(), 6));
    const table_state before = state_of();
    sql().execute(
        "UPDATE pgeist.jobs SET blueprint = jsonb_insert(blueprint, '{expected,0}', '\"comment on the table: x\"')");
    const std::string job = text_of(only_job(db().uri()), "job");
    sql().execute("UPDATE pgeist.jobs SET settings = settings || '{\"postpone_swap\": false}'");
    const run_result result = command("resume", {job});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"missing comment on the table: x", "untouched"}));
    EXPECT_EQ(state_of().identity, before.identity);
    EXPECT_EQ(type_of("id"), "integer");
    expect_cleanup_leaves_nothing();
}

// What others may make in the table's schema must never run with our rights, nor get into what is made again.
TEST_F(dependents, objects_planted_in_the_schema_are_not_used) {
    const std::string mallory = db().create_role("mallory");
    sql().execute(
        "GRANT USAGE, CREATE ON SCHEMA public TO " + mallory +
        "; CREATE TYPE public.mood AS ENUM ('a', 'b'); ALTER TABLE "
        "public.t ADD m public.mood DEFAULT 'b'; CREATE TABLE public.touched (who text); GRANT INSERT ON "
        "public.touched "
        "TO PUBLIC; CREATE VIEW public.v AS SELECT note, to_jsonb(m) AS j, m = 'b' AS is_b FROM public.t; CREATE VIEW "
        "public.ids AS SELECT id, m = 'b' AS is_b FROM public.t; CREATE FUNCTION public.count_b() RETURNS bigint BEGIN "
        "ATOMIC SELECT count(*) FROM public.t WHERE m = 'b'; END; CREATE MATERIALIZED VIEW public.mv AS SELECT note, m "
        "= "
        "'b' AS is_b FROM public.t");
    sync_connection attacker = db().connect_as(mallory);
    attacker.execute(
        "CREATE FUNCTION public.same(oid, regclass) RETURNS bool LANGUAGE plpgsql COST 0.00001 AS $$BEGIN INSERT INTO "
        "public.touched VALUES (current_user); RETURN $1 OPERATOR(pg_catalog.=) $2::oid; END$$; CREATE OPERATOR "
        "public.= (leftarg = "
        "oid, rightarg = regclass, procedure = public.same); CREATE FUNCTION public.obj_description(oid, text) RETURNS "
        "text LANGUAGE "
        "plpgsql AS $$BEGIN INSERT INTO public.touched VALUES (current_user); RETURN ''; END$$");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    attacker.execute(
        "CREATE FUNCTION public.to_jsonb(public.mood) RETURNS jsonb LANGUAGE plpgsql AS $$BEGIN INSERT INTO "
        "public.touched VALUES "
        "(current_user); RETURN '0'; END$$; CREATE FUNCTION public.is_same(public.mood, public.mood) RETURNS bool "
        "LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO public.touched VALUES (current_user); RETURN true; END$$; CREATE OPERATOR public.= "
        "(leftarg = "
        "public.mood, rightarg = public.mood, procedure = public.is_same)");
    EXPECT_TRUE(exited(command("swap", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    sql().execute(
        "SELECT count(j), count(is_b) FROM public.v; SELECT count(is_b) FROM public.ids; SELECT public.count_b(); "
        "SELECT "
        "count(*) FROM public.mv");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.touched"), 0);
}

TEST_F(dependents, default_privileges_change_no_rights) {
    const std::string stranger = db().create_role("stranger");
    sql().execute(
        "CREATE VIEW public.v AS SELECT id FROM public.t; CREATE FUNCTION public.label(public.t) RETURNS text LANGUAGE "
        "sql "
        "AS 'SELECT $1.note'; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO " +
        stranger + "; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC");
    EXPECT_TRUE(exited(to_bigint(), 0));
    sync_connection other = db().connect_as(stranger);
    EXPECT_EQ(other.sqlstate_of("SELECT count(*) FROM public.v"), "42501");
    EXPECT_EQ(sql().scalar("SELECT has_function_privilege($1, 'public.label(public.t)', 'EXECUTE')", {stranger}), "t");
}

TEST_F(dependents, owners_and_comments_changed_by_others_are_not_set_back) {
    const std::string alice = db().create_role("alice");
    sql().execute("GRANT USAGE, CREATE ON SCHEMA public TO " + alice +
                  "; CREATE VIEW public.v AS SELECT note FROM public.t; CREATE VIEW "
                  "public.w AS SELECT id FROM public.t");
    for (const std::string& change :
         {"ALTER VIEW public.v OWNER TO " + alice, std::string("COMMENT ON COLUMN public.w.id IS 'mine'"),
          "GRANT SELECT (id) ON public.w TO " + alice}) {
        pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        sql().execute(change);
        const std::string changed = view("public.v") + view("public.w");
        EXPECT_TRUE(exited(running.finish(), 1)) << change;
        EXPECT_EQ(view("public.v") + view("public.w"), changed) << change;
        expect_cleanup_leaves_nothing();
    }
}

struct hopeless_case {
    const char* name;
    const char* setup;
    std::vector<std::string> change;
    const char* object;
};

// GoogleTest finds it by this name.
// NOLINTNEXTLINE(readability-identifier-naming)
void PrintTo(const hopeless_case& one, std::ostream* out) { *out << one.name; }

class hopeless : public dependents, public ::testing::WithParamInterface<hopeless_case> {};

// What the swap could not do is known before the copy.
TEST_P(hopeless, is_refused_by_the_plan) {
    sql().execute(
        "CREATE FUNCTION public.of_int(int) RETURNS int LANGUAGE sql AS 'SELECT $1'; CREATE TABLE public.other (id "
        "int)");
    sync_connection another = db().connect();
    another.execute(GetParam().setup);
    std::vector<std::string> arguments{"--table", "t"};
    arguments.insert(arguments.end(), GetParam().change.begin(), GetParam().change.end());
    const run_result result = command("plan", arguments);
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {GetParam().object}));
    expect_nothing_left();
}

const std::vector<std::string> wider{"--alter", "ALTER COLUMN id TYPE bigint"};
const std::vector<std::string> renamed{"--alter", "RENAME COLUMN note TO remark"};
const std::vector<hopeless_case> hopeless_cases = {
    {"body_of_a_function",
     "CREATE FUNCTION public.f() RETURNS bigint BEGIN ATOMIC SELECT sum(public.of_int(id)) FROM public.t; END", wider,
     "function public.f()"},
    {"policy_elsewhere",
     "CREATE POLICY p ON public.other USING (EXISTS (SELECT FROM public.t WHERE public.of_int(t.id) = other.id))",
     wider, "policy p"},
    {"own_rule_that_reads_the_table",
     "CREATE RULE r AS ON DELETE TO public.t DO INSTEAD UPDATE public.t SET note = 'gone' WHERE id = old.id", renamed,
     "rule r"},
    {"view_of_another_session", "CREATE TEMP VIEW passing AS SELECT note FROM public.t", wider, "passing"},
};

INSTANTIATE_TEST_SUITE_P(of, hopeless, ::testing::ValuesIn(hopeless_cases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_F(dependents, a_function_that_its_owner_may_not_make_is_refused_by_the_plan) {
    const std::string owner = db().create_role("owner");
    const std::string runner = db().create_role("runner");
    sql().execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE, CREATE ON SCHEMA public TO " + runner +
                  "; GRANT CREATE ON DATABASE " + sql().identifier(db().name()) + " TO " + runner + "; GRANT " + owner +
                  " TO " + runner + "; ALTER TABLE public.t OWNER TO " + runner +
                  "; CREATE FUNCTION public.f(public.t) RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER FUNCTION "
                  "public.f OWNER TO " +
                  owner);
    const std::vector<std::string> plan{"plan", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"};
    const run_result refused = run_pgeist(db().uri_as(runner), plan);
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"function public.f", owner, "CREATE"}));
    sql().execute("GRANT CREATE ON SCHEMA public TO " + owner);
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(runner), plan), 0));
}

TEST_F(dependents, a_policy_that_reads_its_own_table_follows_renamed_columns) {
    sql().execute(
        "CREATE POLICY p ON public.t USING (EXISTS (SELECT FROM public.t x WHERE x.note = t.note)); ALTER TABLE "
        "public.t ENABLE ROW LEVEL SECURITY");
    EXPECT_TRUE(exited(command("run", {"--table", "t", "--alter", "RENAME COLUMN note TO remark"}), 0));
    EXPECT_EQ(sql().scalar("SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polname = 'p' AND polrelid = "
                           "'public.t'::regclass"),
              "(EXISTS ( SELECT\n   FROM t x\n  WHERE (x.remark = t.remark)))");
    expect_cleanup_leaves_nothing();
}

TEST_F(dependents, policies_and_rules_elsewhere_follow_their_columns) {
    const std::string reader = db().create_role("reader");
    sql().execute(
        "CREATE TABLE public.other (id int, note text); INSERT INTO public.other VALUES (3, 'note 3'), (4, 'none'), "
        "(1000, 'none'); CREATE POLICY seen ON public.other USING (EXISTS (SELECT FROM public.t WHERE t.id = other.id "
        "AND t.note = other.note)) WITH CHECK (id IN (SELECT t.id + 1 FROM public.t)); ALTER TABLE public.other ENABLE "
        "ROW LEVEL SECURITY; CREATE RULE also AS ON DELETE TO public.other WHERE old.id = ANY (SELECT id FROM "
        "public.t) DO ALSO UPDATE public.t SET note = old.note || t.id WHERE t.id = old.id; GRANT SELECT ON "
        "public.other, public.t TO " +
        reader);
    ASSERT_EQ(db().connect_as(reader).scalar("SELECT string_agg(id::text, ' ') FROM public.other"), "3");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint", "--alter", "RENAME COLUMN note TO remark"}), 0));
    EXPECT_EQ(db().connect_as(reader).scalar("SELECT string_agg(id::text, ' ') FROM public.other"), "3");
    EXPECT_EQ(sql().scalar("SELECT qual || with_check FROM pg_policies WHERE policyname = 'seen'"),
              "(EXISTS ( SELECT\n   FROM t\n  WHERE ((t.id = other.id) AND (t.remark = other.note))))(id IN ( SELECT "
              "(t.id + 1)\n   FROM t))");
    sql().execute("DELETE FROM public.other WHERE id = 4");
    EXPECT_EQ(sql().scalar("SELECT remark FROM public.t WHERE id = 4"), "none4");
    expect_cleanup_leaves_nothing();
}

TEST_F(dependents, functions_of_another_search_path_are_carried) {
    sql().execute(
        "CREATE SCHEMA app; CREATE TABLE app.cfg (x text); CREATE FUNCTION public.label(public.t) RETURNS text "
        "LANGUAGE sql "
        "SET search_path = app AS 'SELECT max(x) FROM cfg'");
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    sql().execute("INSERT INTO app.cfg VALUES ('found')");
    EXPECT_EQ(sql().scalar("SELECT public.label(t) FROM public.t WHERE id = 1"), "found");
}

TEST_F(dependents, rules_and_views_that_read_each_other_end_the_plan) {
    sql().execute(
        "CREATE VIEW public.v AS SELECT id, code FROM public.t; CREATE TABLE public.l (id int); CREATE RULE r AS ON "
        "UPDATE TO "
        "public.t DO ALSO INSERT INTO public.l SELECT v.id FROM public.v WHERE v.id = new.id");
    const run_result result = command("plan", {"--table", "t", "--alter", "ALTER COLUMN code TYPE bigint"});
    EXPECT_TRUE(result.exit_code == 0 || result.exit_code == 3) << result.said();
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN amount TYPE numeric(30, 4)"}), 0));
}

TEST_F(dependents, a_rule_on_a_view_locks_no_other_table) {
    const std::string bob = db().create_role("bob");
    sql().execute(
        "CREATE TABLE public.ref (id int); GRANT SELECT, INSERT ON public.t TO " + bob +
        "; GRANT SELECT ON public.ref TO " + bob +
        "; CREATE VIEW public.v AS SELECT "
        "t.note FROM public.t JOIN public.ref USING (id); ALTER VIEW public.v OWNER TO " +
        bob +
        "; CREATE RULE ins AS ON INSERT TO public.v DO INSTEAD INSERT INTO public.t (id, note) VALUES (999, new.note)");
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM public.ref");
    EXPECT_TRUE(exited(run({"--repack", "--swap-max-wait", "10s"}), 0));
    reader.execute("COMMIT");
    sql().execute("INSERT INTO public.v VALUES ('through the view')");
    EXPECT_EQ(note_of(999), "through the view");
}

TEST_F(dependents, a_childs_own_default_stays) {
    sql().execute(
        "CREATE TABLE public.par (at regclass DEFAULT 'public.t'::regclass); CREATE TABLE public.chi () INHERITS "
        "(public.par); "
        "ALTER TABLE public.chi ALTER COLUMN at SET DEFAULT 'pg_class'::regclass");
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    sql().execute("INSERT INTO public.chi DEFAULT VALUES");
    EXPECT_EQ(sql().scalar("SELECT at FROM public.chi"), "pg_class");
}

}  // namespace
}  // namespace pgeist::test
