// Every kind of change and of table: the result is compared, catalog and rows, with what ALTER TABLE itself makes of a
// copy.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "e2e/change_kinds_cases.hpp"
#include "e2e/run_test.hpp"
#include "support/leftovers.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {

// GoogleTest finds it by this name.
void PrintTo(const change_case& one, std::ostream* out);  // NOLINT(readability-identifier-naming)
void PrintTo(const change_case& one, std::ostream* out) { *out << one.name; }

namespace {

class change : public run_test, public ::testing::WithParamInterface<change_case> {
protected:
    std::string for_server(std::string text) {
        const std::string& newer = GetParam().newer_syntax;
        if (!newer.empty() && sql().server_major() < GetParam().oldest_server) {
            for (std::size_t at = text.find(newer); at != std::string::npos; at = text.find(newer, at)) {
                text.erase(at, newer.size());
            }
        }
        return text;
    }

    std::string with_roles(std::string text) {
        for (const std::string& suffix : {std::string("owner"), std::string("reader")}) {
            const std::string mark = "@" + suffix + "@";
            if (text.find(mark) != std::string::npos) {
                const std::string role = db().create_role(suffix + std::to_string(++roles_));
                for (std::size_t at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
                    text.replace(at, mark.size(), role);
                }
            }
        }
        return text;
    }

    void set_up_both() {
        const std::string setup = with_roles(for_server(GetParam().setup));
        for (const char* schema : {"app", "native"}) {
            sql().execute(std::string("CREATE SCHEMA ") + schema + "; SET search_path = " + schema + ", public");
            sql().execute(setup);
        }
        if (!GetParam().native.empty()) {
            sql().execute(GetParam().native);  // search_path begins with native
        }
        sql().execute("RESET search_path");
    }

    run_result change_app() {
        std::vector<std::string> arguments{"--table", "app." + sql().identifier(GetParam().table)};
        arguments.insert(arguments.end(), GetParam().arguments.begin(), GetParam().arguments.end());
        return command("run", arguments);
    }

    std::string qualified(const std::string& schema) { return schema + "." + sql().identifier(GetParam().table); }

private:
    int roles_ = 0;
};

TEST_P(change, ends_as_the_native_alter) {
    set_up_both();
    EXPECT_TRUE(exited(change_app(), 0));
    EXPECT_EQ(description_difference(describe_table(sql(), "native", GetParam().table),
                                     describe_table(sql(), "app", GetParam().table)),
              std::vector<std::string>{});
    EXPECT_EQ(differing_rows(sql(), qualified("native"), qualified("app")), std::vector<std::string>{});

    if (GetParam().idempotent) {
        const std::string identity = table_identity(sql(), qualified("app"));
        EXPECT_TRUE(exited(change_app(), 0));
        EXPECT_EQ(table_identity(sql(), qualified("app")), identity) << "the second run did it again";
    }
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(differing_rows(sql(), qualified("native"), qualified("app")), std::vector<std::string>{});
}

std::string name_of(const ::testing::TestParamInfo<change_case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(of_columns, change, ::testing::ValuesIn(column_changes()), name_of);
INSTANTIATE_TEST_SUITE_P(with_key, change, ::testing::ValuesIn(key_kinds()), name_of);
INSTANTIATE_TEST_SUITE_P(with, change, ::testing::ValuesIn(table_features()), name_of);

class change_request : public run_test {};

TEST_F(change_request, may_be_a_file_of_statements) {
    make_table(100);
    const std::filesystem::path file = std::filesystem::temp_directory_path() / ("change_" + db().name() + ".sql");
    std::ofstream(file) << "-- wider keys\nALTER TABLE t ALTER COLUMN id TYPE bigint;\n"
                           "ALTER TABLE public.t ADD COLUMN region text DEFAULT 'north; or \"south\"';\n"
                           "ALTER TABLE t RENAME COLUMN note TO remark;\n";
    const run_result result = run({"--file", file.string()});
    std::filesystem::remove(file);
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().scalar("SELECT region FROM public.t WHERE id = 7"), "north; or \"south\"");
    EXPECT_EQ(sql().scalar("SELECT remark FROM public.t WHERE id = 7"), "note 7");
}

TEST_F(change_request, runs_several_alters_in_order) {
    make_table(100);
    EXPECT_TRUE(exited(run({"--alter", "RENAME COLUMN note TO remark", "--alter",
                            "ALTER COLUMN remark TYPE varchar(200)", "--alter", "ALTER COLUMN id TYPE bigint"}),
                       0));
    EXPECT_EQ(type_of("remark"), "character varying(200)");
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().scalar("SELECT remark FROM public.t WHERE id = 7"), "note 7");
}

TEST_F(change_request, folds_names_as_sql_does) {
    sql().execute("CREATE TABLE public.\"Mixed\" (id int PRIMARY KEY); CREATE TABLE public.mixed (id int PRIMARY KEY)");
    EXPECT_TRUE(exited(command("run", {"--table", "\"Mixed\"", "--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(type_of("id", "public.\"Mixed\""), "bigint");
    EXPECT_EQ(type_of("id", "public.mixed"), "integer");
    EXPECT_TRUE(exited(command("run", {"--table", "PUBLIC.MIXED", "--alter", "ALTER COLUMN ID TYPE bigint"}), 0));
    EXPECT_EQ(type_of("id", "public.mixed"), "bigint");
}

TEST_F(change_request, finds_the_table_through_the_search_path) {
    sql().execute("CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY); ALTER DATABASE " + db().name() +
                  " SET search_path = app");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(type_of("id", "app.t"), "bigint");
}

TEST_F(change_request, works_under_a_schema_with_an_odd_name) {
    sql().execute(
        R"(CREATE SCHEMA "my ""app"".v1"; CREATE TABLE "my ""app"".v1"."t" (id int PRIMARY KEY, "select" text);
                     INSERT INTO "my ""app"".v1"."t" SELECT i, 'x' FROM generate_series(1, 50) i)");
    EXPECT_TRUE(
        exited(command("run", {"--table", R"("my ""app"".v1"."t")", "--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(type_of("id", R"("my ""app"".v1"."t")"), "bigint");
    EXPECT_EQ(sql().number(R"(SELECT count("select") FROM "my ""app"".v1"."t")"), 50);
    expect_cleanup_leaves_nothing();
}

TEST_F(change_request, repack_takes_the_dead_rows_out) {
    make_table(20000);
    sql().execute("DELETE FROM public.t WHERE id % 10 <> 0");
    const long long size = sql().number("SELECT pg_relation_size('public.t')");
    const table_state before = state_of();
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    const table_state after = state_of();
    EXPECT_EQ(description_difference(before.description, after.description), std::vector<std::string>{});
    EXPECT_EQ(after.digest, before.digest);
    EXPECT_LT(sql().number("SELECT pg_relation_size('public.t')"), size / 4);
}

TEST_F(change_request, small_chunks_and_several_workers_lose_nothing) {
    make_table(5000);
    const table_state before = state_of();
    EXPECT_TRUE(exited(run({"--repack", "--chunk-rows", "37", "--workers", "4", "--index-jobs", "3"}), 0));
    EXPECT_EQ(state_of().digest, before.digest);
}

TEST_F(change_request, drop_old_leaves_only_the_history) {
    make_table(100);
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint", "--drop-old"}), 0));
    EXPECT_EQ(objects_left_besides_history(sql()), std::vector<std::string>{});
    EXPECT_EQ(type_of("id"), "bigint");
    expect_cleanup_leaves_nothing();
}

TEST_F(change_request, the_old_table_is_kept_with_its_rows_and_without_triggers) {
    make_table(100);
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    const std::string old = sql().scalar(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute "
        "a "
        "ON a.attrelid = c.oid AND a.attname = 'id' AND a.atttypid = 'int'::regtype "
        "WHERE n.nspname LIKE 'pgeist\\_%' AND c.relkind = 'r' AND c.relname = 't'");
    EXPECT_EQ(differing_rows(sql(), old, "public.t"), std::vector<std::string>{});
    // But for those that keep late writers out.
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname NOT IN "
                           "('pgeist_replaced', 'pgeist_replaced_row')",
                           {old}),
              0);
}

TEST_F(change_request, an_owner_without_any_other_right_can_run_it) {
    make_table(500);
    const std::string owner = db().create_role("owner");
    sql().execute("ALTER TABLE public.t OWNER TO " + owner + "; GRANT CREATE ON DATABASE " + db().name() + " TO " +
                  owner + "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner);
    EXPECT_TRUE(
        exited(run_pgeist(db().uri_as(owner), {"run", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 500);
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"cleanup", "--all"}), 0));
    expect_nothing_left();
}

TEST_F(change_request, ids_beyond_the_old_type_come_from_the_sequence_afterwards) {
    sql().execute(
        "CREATE TABLE public.t (id serial PRIMARY KEY, note text); INSERT INTO public.t (note) VALUES ('a'); "
        "SELECT setval('public.t_id_seq', 2147483647)");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(sql().number("INSERT INTO public.t (note) VALUES ('b') RETURNING id"), 2147483648LL);
}

TEST_F(change_request, a_source_that_is_huge_in_one_row_is_carried) {
    sql().execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, body text, raw bytea); "
        "ALTER TABLE public.t ALTER body SET STORAGE EXTERNAL; "
        "INSERT INTO public.t SELECT i, repeat(md5(i::text), 300000), decode(repeat('00ff', 100000), 'hex') "
        "FROM generate_series(1, 3) i");
    const std::string digest = state_of().digest;
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    EXPECT_EQ(state_of().digest, digest);
}

}  // namespace
}  // namespace pgeist::test
