// What hangs on the table and is hard to carry: either it is there afterwards, or the run was refused by name before it
// began. Never a silent loss.

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/table_description.hpp"

namespace pgeist::test {
namespace {

struct dependent_case {
    const char* name;
    const char* setup;
    /// What a refusal must name.
    const char* object;
    /// Must give the same before and after, or, when it is a count, see the new table's rows.
    const char* probe;
};

// GoogleTest finds it by this name.
// NOLINTNEXTLINE(readability-identifier-naming)
void PrintTo(const dependent_case& one, std::ostream* out) { *out << one.name; }

class nothing_lost : public run_test, public ::testing::WithParamInterface<dependent_case> {};

TEST_P(nothing_lost, carried_or_refused_by_name) {
    make_table(50);
    sql().execute(GetParam().setup);
    const table_state before = state_of();
    const std::string answer = sql().scalar(GetParam().probe);
    const run_result result = run({"--repack"});
    if (result.exit_code == 3) {
        EXPECT_TRUE(says(result, {GetParam().object}));
        expect_unchanged(before);
        expect_nothing_left();
        return;
    }
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(description_difference(before.description, state_of().description), std::vector<std::string>{});
    EXPECT_EQ(sql().scalar(GetParam().probe), answer);
    sql().execute("INSERT INTO public.t (id) VALUES (777)");
    sql().scalar(GetParam().probe);
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(description_difference(before.description, state_of().description), std::vector<std::string>{});
}

const std::vector<dependent_case> dependent_cases = {
    {"view", "CREATE VIEW public.a_view AS SELECT id, note FROM public.t", "a_view",
     "SELECT count(*) = (SELECT count(*) FROM public.t) FROM public.a_view"},
    {"view_on_a_view",
     "CREATE VIEW public.a_view AS SELECT * FROM public.t; CREATE VIEW public.b_view AS SELECT id FROM public.a_view",
     "a_view", "SELECT count(*) = (SELECT count(*) FROM public.t) FROM public.b_view"},
    {"materialized_view", "CREATE MATERIALIZED VIEW public.a_matview AS SELECT id FROM public.t", "a_matview",
     "SELECT pg_get_viewdef('public.a_matview') || (SELECT count(*) FROM public.a_matview)"},
    {"function_with_sql_body",
     "CREATE FUNCTION public.a_function() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM public.t; END", "a_function",
     "SELECT public.a_function() = (SELECT count(*) FROM public.t)"},
    {"function_of_the_row_type",
     "CREATE FUNCTION public.a_function(public.t) RETURNS text LANGUAGE sql AS 'SELECT $1.note'", "a_function",
     "SELECT public.a_function(t) FROM public.t WHERE id = 7"},
    {"column_of_the_row_type",
     "CREATE TABLE public.holder (kept public.t); INSERT INTO public.holder SELECT t FROM public.t", "holder",
     "SELECT count((kept).note) FROM public.holder"},
    {"rule", "CREATE RULE a_rule AS ON DELETE TO public.t WHERE OLD.id = 1 DO INSTEAD NOTHING", "a_rule",
     "SELECT count(*) FROM pg_rewrite WHERE rulename = 'a_rule' AND ev_class = 'public.t'::regclass"},
    {"policy", "CREATE POLICY a_policy ON public.t USING (id < 40); ALTER TABLE public.t ENABLE ROW LEVEL SECURITY",
     "polic", "SELECT count(*) FROM pg_policies WHERE tablename = 't' AND schemaname = 'public'"},
    {"row_security_enabled", "ALTER TABLE public.t ENABLE ROW LEVEL SECURITY", "row",
     "SELECT relrowsecurity FROM pg_class WHERE oid = 'public.t'::regclass"},
    {"extended_statistics", "CREATE STATISTICS public.a_statistic (dependencies) ON note, code FROM public.t",
     "a_statistic",
     "SELECT stxrelid::regclass FROM pg_statistic_ext WHERE stxname = 'a_statistic' AND stxnamespace = "
     "'public'::regnamespace"},
    {"publication", "CREATE PUBLICATION a_publication FOR TABLE public.t", "a_publication",
     "SELECT string_agg(schemaname || '.' || tablename, ',') FROM pg_publication_tables WHERE pubname = "
     "'a_publication'"},
    {"replica_identity_full", "ALTER TABLE public.t REPLICA IDENTITY FULL", "eplica",
     "SELECT relreplident FROM pg_class WHERE oid = 'public.t'::regclass"},
    {"replica_identity_index",
     "ALTER TABLE public.t ALTER code SET NOT NULL, ALTER code SET DEFAULT 0, ADD CONSTRAINT code_once UNIQUE (code); "
     "ALTER "
     "TABLE public.t REPLICA IDENTITY USING INDEX code_once",
     "eplica", "SELECT relreplident FROM pg_class WHERE oid = 'public.t'::regclass"},
    {"inheritance_child",
     "CREATE TABLE public.a_parent (id int NOT NULL, note text); ALTER TABLE public.t INHERIT public.a_parent",
     "a_parent", "SELECT count(*) = (SELECT count(*) FROM public.t) FROM public.a_parent"},
    {"partition",
     "CREATE TABLE public.a_parent (id int NOT NULL, note text, amount numeric, code int) PARTITION BY RANGE (id); "
     "ALTER "
     "TABLE public.a_parent ATTACH PARTITION public.t FOR VALUES FROM (-1000) TO (100000)",
     "a_parent", "SELECT count(*) = (SELECT count(*) FROM public.t) FROM public.a_parent"},
    {"trigger_of_another_table",
     "CREATE TABLE public.other (id int); CREATE FUNCTION public.to_t() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
     "INSERT "
     "INTO public.t (id) VALUES (NEW.id); RETURN NEW; END'; CREATE TRIGGER a_trigger AFTER INSERT ON public.other FOR "
     "EACH "
     "ROW EXECUTE FUNCTION public.to_t()",
     "a_trigger", "SELECT count(*) FROM pg_trigger WHERE tgname = 'a_trigger'"},
    {"column_rights", "GRANT SELECT (id, note), UPDATE (note) ON public.t TO PUBLIC", "rights",
     "SELECT count(*) FROM information_schema.column_privileges WHERE table_schema = 'public' AND table_name = 't' AND "
     "grantee = 'PUBLIC'"},
    {"policy_on_another_table",
     "CREATE TABLE public.other (id int); CREATE POLICY a_policy ON public.other USING (EXISTS (SELECT FROM public.t "
     "WHERE "
     "t.id = other.id))",
     "a_policy", "SELECT count(*) FROM pg_policies WHERE policyname = 'a_policy'"},
    {"comment_on_the_key", "COMMENT ON CONSTRAINT t_pkey ON public.t IS 'the key'", "t_pkey",
     "SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 't_pkey' AND conrelid = "
     "'public.t'::regclass"},
};

INSTANTIATE_TEST_SUITE_P(of, nothing_lost, ::testing::ValuesIn(dependent_cases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_F(run_test, a_user_trigger_fires_once_for_each_change_and_never_for_copied_rows) {
    make_table(200);
    sql().execute(R"(CREATE TABLE public.audit (what text, id int);
        CREATE FUNCTION public.note_it() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO public.audit VALUES (TG_OP, coalesce(NEW.id, OLD.id)); RETURN NULL; END $$;
        CREATE TRIGGER note_it AFTER INSERT OR UPDATE OR DELETE ON public.t FOR EACH ROW EXECUTE FUNCTION public.note_it())");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN amount TYPE numeric(20,4)"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.audit"), 0);
    sql().execute(
        "UPDATE public.t SET note = 'x' WHERE id = 1; DELETE FROM public.t WHERE id = 2; INSERT INTO public.t (id) "
        "VALUES (5000)");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.audit"), 3);
}

TEST_F(run_test, a_prepared_statement_and_a_function_go_on_after_the_swap) {
    make_table(100);
    sync_connection application = db().connect();
    application.prepare("read", "SELECT note FROM public.t WHERE id = $1");
    application.prepare("write", "UPDATE public.t SET note = $2 WHERE id = $1");
    application.execute(
        "CREATE FUNCTION public.bump(n int) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r public.t; BEGIN "
        "UPDATE public.t SET code = code + 1 WHERE id = n RETURNING * INTO r; RETURN r.note; END $$");
    for (int round = 0; round < 7; ++round) {  // beyond five, the server keeps a generic plan
        application.query_prepared("read", {"5"});
        application.query_prepared("write", {"5", "before"});
        application.query("SELECT public.bump(5)");
    }
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    application.query_prepared("write", {"5", "after"});
    EXPECT_EQ(application.query_prepared("read", {"5"}).rows.at(0).at(0), "after");
    EXPECT_EQ(application.scalar("SELECT public.bump(5)"), "after");
    EXPECT_EQ(note_of(5), "after");
}

}  // namespace
}  // namespace pgeist::test
