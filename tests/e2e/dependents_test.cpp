// Objects elsewhere that hold the table by its OID: after the swap they are the same, and hold the new one.

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
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
    EXPECT_TRUE(exited(command("swap", {text_of(only_job(db().uri()), "job")}), 0));
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

}  // namespace
}  // namespace pgeist::test
