// Migration files: statements in their order, once; what is refused, known again, copied, taken back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "e2e/file_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using testing::HasSubstr;

class migration_file : public file_test {
protected:
    [[nodiscard]] std::string tables() {
        return sql().scalar(
            "SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'");
    }
    /// Two copies are made of it: of t and of u.
    void make_two_tables() {
        make_table(300);
        sql().execute(
            "CREATE TABLE public.u (id int PRIMARY KEY, v int); "
            "INSERT INTO public.u SELECT i, i FROM generate_series(1, 300) AS i; ANALYZE public.u");
    }
};

TEST_F(migration_file, runs_statements_of_every_kind_in_their_order) {
    make_table(100);
    const std::string role = db().create_role("reader");
    const run_result result = run_file(R"sql(
        BEGIN;
        SET search_path = app, public;
        SET lock_timeout = '1ms';
        CREATE SCHEMA app;
        CREATE TYPE app.mood AS ENUM ('sad');
        ALTER TYPE app.mood ADD VALUE 'glad';
        CREATE TABLE notes (id int PRIMARY KEY, how app.mood DEFAULT 'glad');
        ALTER TABLE notes ADD COLUMN at timestamptz NOT NULL DEFAULT now(), ADD CHECK (id > 0);
        INSERT INTO notes (id) VALUES (1), (2);
        CREATE INDEX ON notes (how) WHERE how = 'glad';
        COMMENT ON TABLE notes IS 'semicolons; and -- dashes';
        CREATE FUNCTION app.twice(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 2 * n; END; $$;
        CREATE VIEW seen AS SELECT id, app.twice(id) AS double FROM notes;
        GRANT SELECT ON notes TO )sql" +
                                       role + R"sql(;
        DO $$ BEGIN INSERT INTO notes (id) VALUES (3); END $$;
        UPDATE notes SET how = 'sad' WHERE id = 2;
        DELETE FROM notes WHERE id = 1;
        ALTER SEQUENCE IF EXISTS app.none RESTART;
        CREATE SEQUENCE app.s; ALTER SEQUENCE app.s INCREMENT 5;
        CREATE DOMAIN app.positive AS int; ALTER DOMAIN app.positive ADD CHECK (VALUE > 0);
        ALTER TABLE public.t ADD COLUMN extra app.positive;
        ALTER INDEX t_pkey RENAME TO t_key;
        DROP VIEW seen;
        COMMIT;)sql");
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"BEGIN is ignored", "lock_timeout"}));
    EXPECT_EQ(sql().scalar("SELECT string_agg(id || ' ' || how, ', ' ORDER BY id) FROM app.notes"), "2 sad, 3 glad");
    EXPECT_EQ(sql().scalar("SELECT obj_description('app.notes'::regclass)"), "semicolons; and -- dashes");
    EXPECT_EQ(sql().scalar("SELECT has_table_privilege($1, 'app.notes', 'SELECT')", {role}), "t");
    EXPECT_EQ(sql().scalar("SELECT to_regclass('public.t_key') IS NOT NULL"), "t");
    EXPECT_EQ(sql().number("SELECT app.twice(4)"), 8);
    const auto job = file_job();
    EXPECT_EQ(text_of(job, "state"), "done");
    EXPECT_EQ(text_of(job, "strategy"), "file");
    EXPECT_TRUE(job.at("table").is_null());
}

TEST_F(migration_file, is_known_by_its_statements_also_when_its_job_is_gone) {
    const std::string text = "INSERT INTO public.done VALUES (1);\nCREATE TABLE public.made (a int);\n";
    EXPECT_TRUE(exited(run_file(text), 0));
    const run_result again = run_file("-- another comment\n" + text + "\n\n");
    EXPECT_TRUE(exited(again, 0));
    EXPECT_TRUE(says(again, {"nothing to do"}));
    EXPECT_TRUE(exited(command("cleanup", {text_of(file_job(), "job")}), 0));
    EXPECT_TRUE(job_list(db().uri()).empty());
    EXPECT_TRUE(exited(run_file(text), 0));
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    EXPECT_TRUE(exited(run_file(text), 0));
    EXPECT_EQ(times_done(1), 1);
    EXPECT_TRUE(exited(run_file("INSERT INTO public.done VALUES (1); SELECT 1"), 0)) << "another file";
    EXPECT_EQ(times_done(1), 2);
}

TEST_F(migration_file, can_be_run_again_when_another_has_undone_it) {
    const std::string up = write("CREATE TABLE public.made (a int)", "up.sql");
    const std::string down = write("DROP TABLE public.made", "down.sql");
    for (int round = 0; round < 2; ++round) {
        EXPECT_TRUE(exited(command("run", {"--file", up, "--undoes", down}), 0));
        EXPECT_EQ(tables(), "done made");
        EXPECT_TRUE(exited(command("run", {"--file", up, "--undoes", down}), 0));
        EXPECT_TRUE(exited(command("run", {"--file", down, "--undoes", up}), 0));
        EXPECT_EQ(tables(), "done");
        EXPECT_TRUE(exited(command("run", {"--file", down, "--undoes", up}), 0));
    }
}

TEST_F(migration_file, is_refused_before_anything_of_it_is_run) {
    make_table(10);
    for (const char* each :
         {"TRUNCATE public.t", "VACUUM", "COPY public.t TO STDOUT", "LOCK TABLE public.t", "CALL p()", "ROLLBACK",
          "CREATE DATABASE d", "ALTER SYSTEM SET work_mem = '1MB'", "SELEC 1", "ALTER TABLE public.t ADD COLUMN"}) {
        const run_result result = run_file(std::string("CREATE TABLE public.made (a int);\n\n") + each + ";");
        EXPECT_TRUE(exited(result, 3)) << each;
        EXPECT_TRUE(result.mentions("m.sql:3: ")) << each << result.said();
        EXPECT_EQ(tables(), "done t") << each;
    }
    const run_result command = run_file("CREATE TABLE public.made (a int);\n\\i other.sql\n");
    EXPECT_TRUE(exited(command, 2));
    EXPECT_TRUE(says(command, {"m.sql:2", "\\i"}));
    EXPECT_TRUE(exited(run_file("-- nothing"), 2));
    EXPECT_EQ(tables(), "done t");
    expect_nothing_left();
}

TEST_F(migration_file, comes_from_standard_input_too) {
    const run_result result = command("run", {"--file", "-"});  // which is empty here
    EXPECT_TRUE(exited(result, 2));
    EXPECT_TRUE(says(result, {"standard input"}));
}

TEST_F(migration_file, leaves_out_its_down_section) {
    EXPECT_TRUE(exited(
        run_file("-- +goose Up\nCREATE TABLE public.made (a int);\n-- +goose Down\nDROP TABLE public.made;\n"), 0));
    EXPECT_EQ(tables(), "done made");
}

TEST_F(migration_file, is_planned_by_steps_and_lines_as_if_the_earlier_were_done) {
    make_table(10);
    const auto plan = plan_of(
        "CREATE TABLE public.made (a int);\n"
        "ALTER TABLE public.made ADD COLUMN b text NOT NULL;\n"
        "CREATE INDEX made_b ON public.made (b);\n"
        "ALTER TABLE public.t ADD COLUMN note2 text;\n"
        "COMMENT ON COLUMN public.t.note2 IS 'x';\n");
    EXPECT_TRUE(plan.at("table").is_null());
    EXPECT_EQ(text_of(plan, "strategy"), "file");
    const auto& steps = plan.at("steps").as_array();
    ASSERT_EQ(steps.size(), 5U);
    for (std::size_t at = 0; at < steps.size(); ++at) {
        const auto& step = steps[at].as_object();
        EXPECT_EQ(number_of(step, "number"), static_cast<std::int64_t>(at + 1));
        EXPECT_EQ(number_of(step, "line"), static_cast<std::int64_t>(at + 1));
        EXPECT_EQ(text_of(step, "method"), "native") << text_of(step, "why");
        for (const char* member : {"statement", "table", "why", "evidence", "locks", "rewrites", "scans", "builds",
                                   "blocks_ms", "estimated_ms"}) {
            EXPECT_TRUE(step.contains(member)) << member;
        }
    }
    EXPECT_EQ(tables(), "done t");
    expect_nothing_left();
}

TEST_F(migration_file, tells_each_step) {
    const run_result result =
        run_file("INSERT INTO public.done VALUES (1);\nCREATE TABLE public.made (a int);", {"--output", "json"});
    EXPECT_TRUE(exited(result, 0));
    std::string told;
    for (const auto& each : result.events("step")) {
        told += text_of(each, "number") + " " + text_of(each, "method") + " " + text_of(each, "state") + "; ";
    }
    EXPECT_EQ(told, "1 native started; 1 native done; 2 native started; 2 native done; ");
    ASSERT_EQ(result.events("job").size(), 1U);
    EXPECT_TRUE(result.events("job")[0].at("table").is_null());
    EXPECT_EQ(text_of(result.events("job")[0], "strategy"), "file");
    EXPECT_EQ(step_states(), "done done");
}

TEST_F(migration_file, stops_at_the_statement_that_fails_and_goes_on_there) {
    sql().execute("CREATE TABLE public.later (a int CHECK (a / 0 = 1))");
    const std::string fails =
        "INSERT INTO public.done VALUES (1);\nINSERT INTO public.later VALUES (1);\n"
        "INSERT INTO public.done VALUES (3);\n";
    const run_result result = run_file(fails);
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"step 2", "line 2", "division by zero", "pgeist resume"}));
    EXPECT_EQ(times_done(1), 1);
    EXPECT_EQ(times_done(3), 0);
    const auto job = file_job();
    EXPECT_EQ(text_of(job, "state"), "failed");
    EXPECT_TRUE(is_true(job, "resumable"));
    EXPECT_EQ(step_states(), "done failed pending");
    const run_result again = run_file(fails);
    EXPECT_TRUE(exited(again, 3));
    EXPECT_TRUE(says(again, {"pgeist resume " + text_of(job, "job")}));
    sql().execute("ALTER TABLE public.later DROP CONSTRAINT later_a_check");
    EXPECT_TRUE(exited(run_file(fails, {"--resume"}), 0));
    EXPECT_EQ(times_done(1), 1);
    EXPECT_EQ(times_done(3), 1);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.later"), 1);
    EXPECT_EQ(step_states(), "done done done");
}

TEST_F(migration_file, keeps_its_settings_when_it_is_resumed) {
    sql().execute("CREATE SCHEMA app; CREATE TABLE app.later (a int CHECK (a / 0 = 1))");
    EXPECT_TRUE(exited(run_file("SET search_path TO app; SET TIME ZONE 'Asia/Tokyo';\nINSERT INTO later VALUES (1);\n"
                                "CREATE TABLE made AS SELECT current_setting('timezone') AS zone;\n"),
                       1));
    sql().execute("ALTER TABLE app.later DROP CONSTRAINT later_a_check");
    const run_result resumed = command("resume", {text_of(file_job(), "job"), "--output", "json"});
    EXPECT_TRUE(exited(resumed, 0));
    EXPECT_TRUE(resumed.events("job").at(0).at("table").is_null());
    EXPECT_EQ(number_of(resumed.events("progress").back(), "percent"), 100);
    EXPECT_EQ(sql().scalar("SELECT zone FROM app.made"), "Asia/Tokyo");
}

TEST_F(migration_file, does_as_another_role_what_the_file_says_and_records_it_as_its_own) {
    const std::string role = db().create_role("owner");
    sql().execute("CREATE SCHEMA app AUTHORIZATION " + role);
    EXPECT_TRUE(exited(run_file("SET ROLE " + role +
                                ";\nCREATE TABLE app.made (a int);\nINSERT INTO app.made VALUES (1);\n"
                                "ALTER TABLE app.made ADD b int;\nRESET ROLE;\nCREATE TABLE public.mine (a int);\n"),
                       0));
    EXPECT_EQ(sql().scalar("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'made'"), role);
    EXPECT_NE(sql().scalar("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'mine'"), role);
}

TEST_F(migration_file, that_is_nothing_but_one_copy_is_that_job) {
    make_table(50);
    sql().execute("ALTER TABLE public.t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id)");
    const std::string text = "-- larger\nALTER TABLE t ALTER COLUMN id TYPE bigint;";
    EXPECT_TRUE(exited(run_file(text, {"--method", "copy"}), 0));
    const auto job = file_job();
    EXPECT_EQ(text_of(job, "strategy"), "shadow");
    EXPECT_EQ(text_of(job, "table"), "public.t");
    EXPECT_EQ(type_of("id"), "bigint");
    const run_result again = run_file(text, {"--method", "copy"});
    EXPECT_TRUE(exited(again, 0));
    EXPECT_TRUE(says(again, {"nothing to do"}));
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    EXPECT_TRUE(exited(run_file(text, {"--method", "copy"}), 0));
    EXPECT_TRUE(job_list(db().uri()).empty());
}

TEST_F(migration_file, refuses_what_has_another_definition_under_that_name) {
    make_table(100);
    sql().execute(
        "CREATE TABLE public.other (x int); CREATE INDEX by_note ON public.t (lower(note)); CREATE VIEW public.v AS "
        "SELECT 1 AS a; CREATE SEQUENCE public.s; CREATE INDEX broken ON public.t (code)");
    sql().execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.broken'::regclass");
    for (const char* statement :
         {"CREATE TABLE other (y text NOT NULL)", "CREATE INDEX by_note ON public.t (upper(note))",
          "CREATE INDEX by_note ON public.t (lower(note)) WHERE id > 3",
          "CREATE INDEX by_note ON public.t USING hash (lower(note))", "CREATE VIEW v AS SELECT 2 AS b",
          "CREATE SEQUENCE s START 77", "CREATE INDEX IF NOT EXISTS broken ON public.t (code)"}) {
        const run_result refused = run_file(std::string(statement) + ";\n");
        EXPECT_TRUE(exited(refused, 3)) << statement;
        EXPECT_TRUE(says(refused, {"there already"}) || says(refused, {"already exists"})) << statement;
    }
    const run_result same =
        run_file("CREATE INDEX by_note ON t USING btree (Lower(\"note\"));\n", {"--output", "json"});
    EXPECT_TRUE(exited(same, 0));
    ASSERT_EQ(same.events("step").size(), 1U);
    EXPECT_EQ(text_of(same.events("step")[0], "method"), "nothing");
}

TEST_F(migration_file, an_index_that_may_be_there_is_built_concurrently_where_it_is_not) {
    make_table(100);
    sql().execute(
        "INSERT INTO public.t SELECT i, 'note ' || i, i / 4.0, i * 10 FROM generate_series(501, 20000) AS i; "
        "ANALYZE public.t");
    for (const char* statement : {"CREATE INDEX CONCURRENTLY IF NOT EXISTS by_code ON public.t (code)",
                                  "CREATE INDEX IF NOT EXISTS by_note ON ONLY public.t (note)"}) {
        const run_result built = run_file(statement, {"--max-block", "1ms", "--output", "json"});
        EXPECT_TRUE(exited(built, 0)) << statement;
        EXPECT_EQ(text_of(built.events("step").at(0), "method"), "concurrently") << statement;
    }
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 'public.t'::regclass AND indisvalid"), 3);
}

TEST_F(migration_file, makes_its_copies_jobs_of_their_own) {
    make_two_tables();
    const run_result result = run_file(
        "INSERT INTO public.done VALUES (1);\n"
        "ALTER TABLE public.t ALTER COLUMN code TYPE bigint, ADD COLUMN more int;\n"
        "INSERT INTO public.done SELECT 2 FROM public.t WHERE id = 1 AND more IS NULL;\n"
        "ALTER TABLE public.u ALTER COLUMN v TYPE bigint;\n"
        "INSERT INTO public.done VALUES (3);\n",
        {"--method", "copy", "--output", "json"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(type_of("code"), "bigint");
    EXPECT_EQ(type_of("v", "public.u"), "bigint");
    for (int number = 1; number <= 3; ++number) {
        EXPECT_EQ(times_done(number), 1);
    }
    const auto made = copies();
    ASSERT_EQ(made.size(), 2U);
    const std::string leader = text_of(file_job(), "job");
    EXPECT_EQ(text_of(made[0], "parent"), leader);
    EXPECT_EQ(text_of(made[0], "table"), "public.t");
    EXPECT_EQ(text_of(made[0], "strategy"), "shadow");
    EXPECT_EQ(text_of(made[0], "state"), "done");
    EXPECT_EQ(text_of(made[1], "table"), "public.u");
    const auto swaps = result.events("swap");
    ASSERT_EQ(swaps.size(), 2U);
    EXPECT_EQ(text_of(swaps[0], "job"), text_of(made[0], "job"));
    EXPECT_EQ(text_of(swaps[1], "job"), text_of(made[1], "job"));
    EXPECT_EQ(text_of(result.events("result").at(0), "job"), leader);
    EXPECT_EQ(step_states(), "done done done done done");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname IN ('t', 'u') AND relkind = 'r' "
                           "AND relnamespace::regnamespace::text LIKE 'pgeist%'"),
              2)
        << "the old tables are kept";
    EXPECT_TRUE(exited(command("cleanup", {text_of(made[0], "job")}), 0)) << "of any of them";
    EXPECT_TRUE(job_list(db().uri()).empty());
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist_%'"), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 300);
}

TEST_F(migration_file, obeys_what_is_asked_of_its_copy) {
    make_table(1000);
    gate copying(db(), 1);
    copying.close();
    auto process =
        start_file("INSERT INTO public.done VALUES (1);\nALTER TABLE public.t ALTER COLUMN amount TYPE text USING " +
                       copying.expression("id = 500", "amount::text") + ";\nINSERT INTO public.done VALUES (2);",
                   {"--method", "copy", "--chunk-rows", "100"});
    copying.wait_until_reached();
    const std::string copy = text_of(copies().at(0), "job");
    EXPECT_TRUE(is_true(copies().at(0), "pid_alive"));
    EXPECT_TRUE(exited(command("set", {copy, "chunk-rows=50"}), 0));
    EXPECT_TRUE(exited(command("pause", {copy}), 0));
    EXPECT_EQ(text_of(file_job(), "state"), "paused");
    EXPECT_TRUE(exited(command("continue", {copy}), 0));
    EXPECT_TRUE(exited(command("cancel", {copy}), 0));
    copying.open();
    EXPECT_TRUE(exited(process->finish(), 6));
    EXPECT_EQ(type_of("amount"), "numeric");
    EXPECT_EQ(times_done(1), 1) << "what is done stays";
    EXPECT_EQ(times_done(2), 0);
    EXPECT_TRUE(job_list(db().uri()).empty());
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist_%'"), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgeist%'"), 0);
}

TEST_F(migration_file, refuses_a_copy_that_cannot_be_made_before_anything_is_run) {
    sql().execute("CREATE TABLE public.loose (a int, b int)");
    const run_result result = run_file(
        "INSERT INTO public.done VALUES (1);\n"
        "ALTER TABLE public.loose ALTER COLUMN a TYPE bigint;\n",
        {"--method", "copy"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"m.sql:2: ", "public.loose"}));
    EXPECT_EQ(times_done(1), 0);
    expect_nothing_left();
}

TEST_F(migration_file, refuses_chunks_of_a_table_it_adds_to_before_anything_is_run) {
    make_table(3000);
    for (const char* values : {"code = code + 1", "code = (random() * 9)::int", "note = now()::text || note"}) {
        const run_result result =
            run_file(std::string("ALTER TABLE public.t ADD COLUMN extra int;\nUPDATE public.t SET ") + values + ";\n",
                     {"--max-block", "1ms"});
        EXPECT_TRUE(exited(result, 3)) << values;
        EXPECT_TRUE(says(result, {"m.sql:2: "}));
    }
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_attribute WHERE attname = 'extra'"), 0);
    EXPECT_TRUE(exited(run_file("ALTER TABLE public.t ADD COLUMN extra int;\nUPDATE public.t SET extra = code + 1;\n",
                                {"--max-block", "1ms"}),
                       0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE extra = code + 1"), 3000);
}

TEST_F(migration_file, treats_a_query_by_what_its_with_writes) {
    make_table(3000);
    const char* const writing[] = {
        "WITH x AS (UPDATE public.t SET note = 'all' RETURNING 1) SELECT count(*) FROM x",
        "WITH x AS (DELETE FROM public.t WHERE id > 5 RETURNING id) INSERT INTO public.done SELECT id FROM x",
        "WITH x AS (INSERT INTO public.done VALUES (7) RETURNING 1), y AS (DELETE FROM public.t RETURNING 1) SELECT 1"};
    for (const char* query : writing) {
        const run_result result =
            run_file(std::string("INSERT INTO public.done VALUES (1);\n") + query + ";\n", {"--max-block", "1ms"});
        EXPECT_TRUE(exited(result, 3)) << query;
        EXPECT_TRUE(says(result, {"m.sql:2: ", "public.t", "--max-block", "a statement of its own"}));
    }
    EXPECT_EQ(times_done(1), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE note <> 'all'"), 3000);
    // Small enough; and of one row, whatever is allowed.
    EXPECT_TRUE(exited(run_file(std::string(writing[0]) + ";\n", {"--max-block", "30s"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE note = 'all'"), 3000);
    EXPECT_TRUE(exited(run_file("WITH x AS (UPDATE public.t SET note = 'one' WHERE id = 5 RETURNING 1) SELECT 1;\n",
                                {"--max-block", "1ms"}),
                       0));
    EXPECT_EQ(note_of(5), "one");
}

TEST_F(migration_file, plans_chunks_as_a_backfill_by_itself_does) {
    make_table(2000);
    const auto step_of = [&](std::vector<std::string> change) {
        change.insert(change.end(), {"--chunk-time", "300ms", "--output", "json"});
        const run_result plan = command("plan", change);
        EXPECT_TRUE(exited(plan, 0));
        return plan.events("plan").at(0).at("steps").as_array().at(0).as_object();
    };
    const auto of_file =
        step_of({"--file", write("UPDATE public.t SET note = 'even' WHERE id % 2 = 0;"), "--max-block", "1ms"});
    const auto by_itself = step_of({"--table", "t", "--set", "note = 'even'", "--where", "id % 2 = 0"});
    for (const char* name : {"method", "table", "locks", "rewrites", "scans", "builds", "blocks_ms"}) {
        EXPECT_EQ(of_file.at(name), by_itself.at(name)) << name;
    }
    EXPECT_EQ(of_file.at("scans").as_array().size(), 1U);
}

TEST_F(migration_file, changes_many_rows_in_chunks) {
    make_table(2000);
    const std::string text =
        "INSERT INTO public.done VALUES (1);\n"
        "UPDATE public.t SET note = 'even' WHERE id % 2 = 0;\n"
        "DELETE FROM public.t WHERE id > 1900;\n"
        "INSERT INTO public.done VALUES (2);\n";
    const run_result result = run_file(text, {"--max-block", "1ms", "--chunk-rows", "100", "--output", "json"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(sql().scalar("SELECT count(*) || ' ' || count(*) FILTER (WHERE note = 'even') FROM public.t"),
              "1900 950");
    EXPECT_EQ(times_done(1), 1);
    EXPECT_EQ(times_done(2), 1);
    const auto made = copies();
    ASSERT_EQ(made.size(), 2U);
    EXPECT_EQ(text_of(made[0], "strategy"), "backfill");
    EXPECT_EQ(text_of(made[0], "state"), "done");
    EXPECT_EQ(step_states(), "done done done done");
    EXPECT_TRUE(exited(command("cleanup", {text_of(made[1], "job")}), 0));
    EXPECT_TRUE(job_list(db().uri()).empty());
}

TEST_F(migration_file, allows_one_copy_that_can_be_reverted) {
    make_two_tables();
    const run_result result = run_file(
        "ALTER TABLE public.t ALTER COLUMN code TYPE bigint;\n"
        "ALTER TABLE public.u ALTER COLUMN v TYPE bigint;\n",
        {"--revertible"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"m.sql:2: ", "--revertible"}));
    EXPECT_EQ(type_of("code"), "integer");
}

TEST_F(migration_file, keeps_the_way_back_of_its_copy_open) {
    make_table(300);
    EXPECT_TRUE(exited(run_file("CREATE TABLE public.made (a int);\n"
                                "ALTER TABLE public.t ALTER COLUMN code TYPE bigint;\n",
                                {"--revertible"}),
                       0));
    EXPECT_EQ(type_of("code"), "bigint");
    const std::string copy = sql().scalar("SELECT id FROM pgeist.jobs WHERE parent IS NOT NULL");
    sql().execute(
        "UPDATE public.t SET note = 'since' WHERE id = 7; INSERT INTO public.t (id, note, code) VALUES (301, 'new', "
        "1)");
    const run_result whole = command("revert", {sql().scalar("SELECT parent FROM pgeist.jobs WHERE id = " + copy)});
    EXPECT_TRUE(exited(whole, 3));
    EXPECT_TRUE(says(whole, {"migration file", "pgeist revert " + copy}));
    EXPECT_TRUE(exited(command("revert", {copy}), 0));
    EXPECT_EQ(type_of("code"), "integer");
    EXPECT_EQ(sql().scalar("SELECT string_agg(note, ' ' ORDER BY id) FROM public.t WHERE id IN (7, 301)"), "since new");
    EXPECT_EQ(tables(), "done made t") << "the other statement stays";
}

TEST_F(migration_file, lets_its_settings_hold_for_what_is_done_concurrently) {
    make_table(100);
    sql().execute(
        "CREATE SCHEMA app; CREATE FUNCTION app.twice(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 2 * n'");
    EXPECT_TRUE(exited(run_file("SET search_path = app, public;\n"
                                "CREATE INDEX CONCURRENTLY t_twice ON t (twice(code));\n"),
                       0));
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pg_index WHERE indexrelid = 'public.t_twice'::regclass AND indisvalid"), 1);
}

TEST_F(migration_file, runs_what_the_bundled_parser_does_not_know) {
    make_table(10);
    const run_result result = run_file(
        "ALTER TABLE public.t ADD COLUMN twice int GENERATED ALWAYS AS (code * 2) VIRTUAL;\n"
        "ALTER TABLE public.t ADD CONSTRAINT has_note NOT NULL note NOT VALID;\n"
        "CREATE TABLE public.made (a int, b int GENERATED ALWAYS AS (a + 1) VIRTUAL);\n");
    if (sql().server_major() < 18) {  // whose parser does not know it either
        EXPECT_TRUE(exited(result, 3));
        EXPECT_TRUE(says(result, {"m.sql:1: ", "m.sql:2: ", "m.sql:3: ", "syntax error"}));
        EXPECT_EQ(tables(), "done t");
        return;
    }
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(sql().number("SELECT twice FROM public.t WHERE id = 1"), 20);
    EXPECT_EQ(tables(), "done made t");
}

// In chunks as in one statement: by the file's search_path.
TEST_F(migration_file, fires_triggers_with_what_it_has_set) {
    make_table(3000);
    sql().execute(R"(
        CREATE SCHEMA tenant; CREATE TABLE tenant.log (id int); CREATE TABLE public.log (id int);
        CREATE FUNCTION tenant.notes() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN INSERT INTO log VALUES (NEW.id); RETURN NEW; END$$;
        CREATE TRIGGER noting AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION tenant.notes())");
    const run_result result =
        run_file("SET search_path = tenant, public;\nUPDATE t SET code = 7;\n", {"--max-block", "1ms"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM tenant.log"), 3000);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.log"), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.steps WHERE method = 'backfill'"), 1);
}

TEST_F(migration_file, sets_no_role_for_rows_that_are_changed_in_chunks) {
    make_table(3000);
    for (const char* setting :
         {"SET ROLE postgres", "SET session_replication_role TO replica", "SET row_security TO off"}) {
        const run_result refused =
            run_file(std::string(setting) + ";\nUPDATE public.t SET code = 7;\n", {"--max-block", "1ms"});
        EXPECT_TRUE(exited(refused, 3)) << setting;
        EXPECT_TRUE(says(refused, {":2: ", "does not hold", "RESET"}));
    }
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE code = 7"), 0);
}

TEST_F(migration_file, that_begins_again_after_a_cleanup_says_so) {
    const char* text = "INSERT INTO public.done VALUES (1);\nSELECT 1 / (count(*) - 1) FROM public.done;\n";
    EXPECT_TRUE(exited(run_file("SELECT 1;\n"), 0));  // what was done is remembered, also by cleanup
    EXPECT_TRUE(exited(run_file(text), 1));
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    const run_result again = run_file(text);
    EXPECT_TRUE(exited(again, 0)) << "two rows by now";
    EXPECT_TRUE(says(again, {"was removed before it was done", "first statement again"}));
}

}  // namespace
}  // namespace pgeist::test
