// Wrong usage (2) and preflight refusals (3): nothing is changed, and the message says why.

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"

namespace pgeist::test {
namespace {

struct usage_case {
    const char* name;
    std::vector<std::string> arguments;
};

// GoogleTest finds it by this name.
// NOLINTNEXTLINE(readability-identifier-naming)
void PrintTo(const usage_case& one, std::ostream* out) { *out << one.name; }

class usage : public run_test, public ::testing::WithParamInterface<usage_case> {};

TEST_P(usage, is_refused_with_exit_2) {
    make_table(10);
    const table_state before = state_of();
    const run_result result = run_pgeist(db().uri(), GetParam().arguments);
    EXPECT_TRUE(exited(result, 2));
    EXPECT_FALSE(result.err.empty()) << "it says nothing about what is wrong";
    expect_unchanged(before);
    expect_nothing_left();
}

const std::vector<usage_case> usage_cases = {
    {"unknown_command", {"migrate", "--table", "t"}},
    {"unknown_option", {"run", "--table", "t", "--repack", "--no-such-option"}},
    {"no_table", {"run", "--repack"}},
    {"no_change", {"run", "--table", "t"}},
    {"table_without_value", {"run", "--repack", "--table"}},
    {"alter_and_file", {"run", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint", "--file", "/dev/null"}},
    {"file_is_missing", {"run", "--table", "t", "--file", "/nonexistent/change.sql"}},
    {"time_without_sense", {"run", "--table", "t", "--repack", "--lock-timeout", "5parsecs"}},
    {"size_without_sense", {"run", "--table", "t", "--repack", "--max-log-size", "much"}},
    {"workers_zero", {"run", "--table", "t", "--repack", "--workers", "0"}},
    {"workers_no_number", {"run", "--table", "t", "--repack", "--workers", "two"}},
    {"verify_unknown_mode", {"run", "--table", "t", "--repack", "--verify", "perhaps"}},
    {"verify_percent_too_large", {"run", "--table", "t", "--repack", "--verify", "sample:250"}},
    {"on_blocked_unknown", {"run", "--table", "t", "--repack", "--on-blocked", "shout"}},
    {"output_unknown", {"run", "--table", "t", "--repack", "--output", "xml"}},
    {"keep_and_drop", {"run", "--table", "t", "--repack", "--keep-old", "--drop-old"}},
    {"set_without_equals", {"run", "--table", "t", "--repack", "--set", "note"}},
    {"config_file_is_missing", {"run", "--table", "t", "--repack", "--config", "/nonexistent/pgeist.conf"}},
    {"table_name_with_open_quote", {"run", "--table", "\"t", "--repack"}},
    {"resume_without_job", {"resume"}},
    {"cleanup_without_job", {"cleanup"}},
};

INSTANTIATE_TEST_SUITE_P(wrong, usage, ::testing::ValuesIn(usage_cases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_F(run_test, without_any_argument_it_explains_itself_and_exits_2) {
    const run_result result = run_pgeist_bare({});
    EXPECT_TRUE(exited(result, 2));
    EXPECT_TRUE(says(result, {"run", "plan", "cleanup"}));
}

TEST_F(run_test, a_syntax_error_in_the_alter_is_refused_before_anything_is_made) {
    make_table(10);
    const table_state before = state_of();
    const run_result result = run({"--alter", "ALTER COLUMN id TYPO bigint"});
    EXPECT_TRUE(result.exit_code == 2 || result.exit_code == 3) << result.exit_code << result.said();
    EXPECT_TRUE(says(result, {"syntax error", "TYPO"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(run_test, a_statement_that_is_no_alter_table_is_refused) {
    make_table(10);
    const table_state before = state_of();
    const run_result result = run({"--alter", "ALTER COLUMN id TYPE bigint; DROP TABLE t"});
    EXPECT_TRUE(result.exit_code == 2 || result.exit_code == 3) << result.exit_code << result.said();
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(run_test, a_statement_for_another_table_is_refused) {
    make_table(10);
    sql().execute("CREATE TABLE public.other (id int PRIMARY KEY)");
    const table_state before = state_of();
    const run_result result = run({"--alter", "ALTER TABLE other ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(result.exit_code == 2 || result.exit_code == 3) << result.exit_code << result.said();
    EXPECT_TRUE(says(result, {"other"}));
    EXPECT_EQ(type_of("id", "public.other"), "integer");
    expect_unchanged(before);
    expect_nothing_left();
}

struct refusal_case {
    const char* name;
    const char* setup;
    std::string table;
    std::vector<std::string> change;
    std::vector<std::string> says;
};

// GoogleTest finds it by this name.
// NOLINTNEXTLINE(readability-identifier-naming)
void PrintTo(const refusal_case& one, std::ostream* out) { *out << one.name; }

class refusal : public run_test, public ::testing::WithParamInterface<refusal_case> {};

TEST_P(refusal, exits_3_and_changes_nothing) {
    sql().execute(GetParam().setup);
    std::vector<std::string> arguments{"--table", GetParam().table};
    arguments.insert(arguments.end(), GetParam().change.begin(), GetParam().change.end());
    for (const std::string name : {"plan", "run"}) {
        const run_result result = command(name, arguments);
        EXPECT_TRUE(exited(result, 3)) << name;
        EXPECT_TRUE(says(result, GetParam().says)) << name;
        expect_nothing_left();
    }
}

const std::vector<std::string> to_bigint{"--alter", "ALTER COLUMN id TYPE bigint"};

const std::vector<refusal_case> refusal_cases = {
    {"no_such_table", "SELECT 1", "nowhere", to_bigint, {"nowhere"}},
    {"no_such_schema", "SELECT 1", "void.t", to_bigint, {"void"}},
    {"a_view", "CREATE VIEW v AS SELECT 1 AS id", "v", to_bigint, {"view"}},
    {"a_materialized_view", "CREATE MATERIALIZED VIEW m AS SELECT 1 AS id", "m", to_bigint, {"materialized view"}},
    {"a_sequence", "CREATE SEQUENCE s", "s", {"--repack"}, {"sequence"}},
    {"no_key", "CREATE TABLE t (id int); CREATE INDEX ON t (id)", "t", to_bigint, {"primary key"}},
    {"key_may_be_null", "CREATE TABLE t (id int UNIQUE)", "t", to_bigint, {"primary key"}},
    {"key_is_partial",
     "CREATE TABLE t (id int NOT NULL); CREATE UNIQUE INDEX ON t (id) WHERE id > 0",
     "t",
     to_bigint,
     {"primary key"}},
    {"named_key_is_missing",
     "CREATE TABLE t (id int PRIMARY KEY)",
     "t",
     {"--repack", "--key", "no_such_index"},
     {"no_such_index"}},
    {"named_key_is_not_unique",
     "CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL); CREATE INDEX t_n ON t (n)",
     "t",
     {"--repack", "--key", "t_n"},
     {"t_n"}},
    {"partitioned_parent",
     "CREATE TABLE t (id int PRIMARY KEY) PARTITION BY RANGE (id)",
     "t",
     to_bigint,
     {"partitioned"}},
    {"inheritance_parent",
     "CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE child () INHERITS (t)",
     "t",
     to_bigint,
     {"child"}},
    {"foreign_table",
     "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE t (id int) SERVER s",
     "t",
     to_bigint,
     {"foreign table"}},
    {"catalog_table", "SELECT 1", "pg_catalog.pg_description", {"--repack"}, {"pg_description"}},
    {"no_such_column",
     "CREATE TABLE t (id int PRIMARY KEY)",
     "t",
     {"--alter", "ALTER COLUMN nothing TYPE bigint"},
     {"nothing"}},
    {"no_such_type",
     "CREATE TABLE t (id int PRIMARY KEY)",
     "t",
     {"--alter", "ALTER COLUMN id TYPE biggest"},
     {"biggest"}},
    {"no_cast",
     "CREATE TABLE t (id int PRIMARY KEY, note text)",
     "t",
     {"--alter", "ALTER COLUMN note TYPE int"},
     {"note"}},
    {"set_of_no_such_column",
     "CREATE TABLE t (id int PRIMARY KEY)",
     "t",
     {"--alter", "ALTER COLUMN id TYPE bigint", "--set", "nothing = 1"},
     {"nothing"}},
    {"set_with_a_bad_expression",
     "CREATE TABLE t (id int PRIMARY KEY, n int)",
     "t",
     {"--alter", "ALTER COLUMN id TYPE bigint", "--set", "n = no_such_function(id)"},
     {"no_such_function"}},
};

INSTANTIATE_TEST_SUITE_P(of, refusal, ::testing::ValuesIn(refusal_cases),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_F(run_test, a_temporary_table_of_another_session_is_refused) {
    sql().execute("CREATE TEMPORARY TABLE t (id int PRIMARY KEY)");
    const std::string schema = sql().scalar("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()");
    const run_result result = command("run", {"--table", schema + ".t", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"temporary"}));
    expect_nothing_left();
}

// Rows with NULL would be in no range of keys. From 18 on a column with such rows may be marked NOT NULL.
TEST_F(run_test, a_key_in_which_null_may_be_is_refused) {
    sql().execute(
        "CREATE TABLE public.t (id int UNIQUE, note text); INSERT INTO public.t VALUES (NULL, 'a'), (1, 'b')");
    if (sql().server_major() >= 18) {
        sql().execute("ALTER TABLE public.t ADD CONSTRAINT never_null NOT NULL id NOT VALID");
    }
    const run_result result = run({"--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"column id may be null"}));
    expect_nothing_left();
}

TEST_F(run_test, a_role_that_does_not_own_the_table_is_refused) {
    make_table(10);
    const std::string stranger = db().create_role("stranger");
    sql().execute("GRANT ALL ON public.t TO " + stranger + "; GRANT CREATE ON DATABASE " + db().name() + " TO " +
                  stranger);
    const table_state before = state_of();
    const run_result result = run_pgeist(db().uri_as(stranger), {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"owner"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(run_test, an_owner_who_may_not_create_schemas_is_told_the_right_that_is_missing) {
    make_table(10);
    const std::string owner = db().create_role("owner");
    sql().execute("ALTER TABLE public.t OWNER TO " + owner);
    const table_state before = state_of();
    const run_result result = run_pgeist(db().uri_as(owner), {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"CREATE"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(run_test, rows_hidden_from_the_role_are_a_refusal_and_not_a_loss) {
    make_table(10);
    const std::string owner = db().create_role("owner");
    sql().execute("ALTER TABLE public.t OWNER TO " + owner + "; GRANT CREATE ON DATABASE " + db().name() + " TO " +
                  owner + "; GRANT CREATE ON SCHEMA public TO " + owner +
                  "; ALTER TABLE public.t ENABLE ROW LEVEL SECURITY; ALTER TABLE public.t FORCE ROW LEVEL SECURITY; "
                  "CREATE POLICY low_ids ON public.t USING (id < 5)");
    const table_state before = state_of();
    const run_result result = run_pgeist(db().uri_as(owner), {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"row"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(run_test, plan_and_dry_run_change_nothing) {
    make_table(100);
    const table_state before = state_of();
    const run_result plan = command("plan", {"--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(plan, 0));
    EXPECT_TRUE(says(plan, {"bigint", "swap", "copy"}));
    expect_nothing_left();

    const run_result dry = run({"--dry-run", "--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(dry, 0));
    EXPECT_TRUE(says(dry, {"bigint", "swap", "copy"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(run_test, plan_names_all_refusals_at_once) {
    sql().execute(
        "CREATE TABLE public.t (id int); CREATE TABLE public.heir () INHERITS (public.t); INSERT INTO public.t VALUES "
        "(1)");
    const run_result plan = command("plan", {"--table", "t", "--repack"});
    EXPECT_TRUE(exited(plan, 3));
    EXPECT_TRUE(says(plan, {"primary key", "heir"}));
    expect_nothing_left();
}

}  // namespace
}  // namespace pgeist::test
