// What is told of things that happened before, or elsewhere: in an earlier run of the job, in another process, in the
// database that a dump was taken of.

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {
namespace {

class retold : public run_test {};

TEST_F(retold, a_comparison_that_another_process_made_is_told_like_one_s_own) {
    make_table(300);
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    const run_result compared = command("verify", {"--output", "json", "1"});
    EXPECT_TRUE(exited(compared, 0));
    const auto found = compared.events("verify");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found.front().at("rows").to_number<int>(), 300);
    EXPECT_EQ(found.front().at("differences").to_number<int>(), 0);
    for (const auto& event : compared.events()) {
        EXPECT_EQ(event.at("job").to_number<int>(), 1);
    }
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
}

TEST_F(retold, a_comparison_of_before_the_interruption_is_not_called_off) {
    make_table(300);
    {
        pgeist_process first = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
        first.wait_for_event("the row to tell of the comparison", [&](const auto& event) {
            return text_of(event, "event") == "phase" && text_of(event, "name") == "swap";
        });
        first.signal(SIGTERM);
        EXPECT_TRUE(exited(first.finish(), 6));
    }
    pgeist_process second(db().uri(), {"resume", "--progress", "plain", "1"});
    EXPECT_TRUE(second.process().wait_for_out(
        [](const std::string& out) { return out.find("swap") != std::string::npos; }, std::chrono::seconds(60)));
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result ended = second.finish();
    EXPECT_TRUE(exited(ended, 0));
    EXPECT_TRUE(says(ended, {"300 rows in", "by an earlier run of the job"}));
    EXPECT_FALSE(ended.mentions("verification  off"));
}

TEST_F(retold, the_first_progress_of_a_resumed_copy_counts_what_was_copied_before) {
    make_table(1000);
    gate copying(db(), 1);
    copying.close();
    {
        pgeist_process first = start({"--set", "note = " + copying.expression("id = 750", "note"), "--alter",
                                      "ALTER COLUMN id TYPE bigint", "--chunk-rows", "100", "--workers", "1"});
        copying.wait_until_reached();
        first.kill_hard();
    }
    // Held there, so that what is told first is of before.
    pgeist_process second(db().uri(), {"resume", "--output", "json", "1"});
    long long first_told = -1;
    second.wait_for_event("progress", [&](const auto& event) {
        if (first_told < 0 && text_of(event, "event") == "progress" && text_of(event, "phase") == "copy") {
            first_told = event.at("rows_done").template to_number<long long>();
        }
        return first_told >= 0;
    });
    EXPECT_GE(first_told, 600);
    copying.open();
    EXPECT_TRUE(exited(second.finish(), 0));
}

TEST_F(retold, a_job_that_failed_can_be_gone_on_with_when_the_reason_is_gone) {
    make_table(100);
    sql().execute(
        "CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM "
        "public.stopping) THEN RAISE 'not now'; END IF; END $$; CREATE TABLE public.stopping (n int); CREATE "
        "EVENT TRIGGER stop ON ddl_command_end EXECUTE FUNCTION public.stop()");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    sql().execute("INSERT INTO public.stopping VALUES (1)");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result ended = running.finish();
    EXPECT_NE(ended.exit_code, 0);
    EXPECT_TRUE(says(ended, {"pgeist resume 1"}));
    sql().execute("DELETE FROM public.stopping");
    pgeist_process second(db().uri(), {"resume", "--output", "json", "1"});
    second.wait_for_phase("swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(second.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    sql().execute("DROP EVENT TRIGGER stop");
}

/// As a dump brings them: the job's row, and tables of its names under other OIDs.
TEST_F(retold, a_job_that_a_dump_has_brought_is_not_gone_on_with) {
    make_table(100);
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    const std::string plan = sql().scalar("SELECT blueprint FROM pgeist.jobs");
    const std::string source = sql().scalar("SELECT table_oid FROM pgeist.jobs");
    const std::string process = sql().scalar("SELECT process FROM pgeist.jobs");

    const std::string copy = db().name() + "_copy";
    const std::string uri = db().address().with("dbname", copy).uri();
    sql().execute("CREATE DATABASE " + copy);
    {
        sync_connection there(uri);
        there.execute(
            "CREATE TABLE public.t (id int PRIMARY KEY, note text, amount numeric, code int); INSERT INTO "
            "public.t SELECT i, 'x', 1, 1 FROM generate_series(1, 100) AS i");
        {
            pgeist_process restored(uri, {"run", "--output", "json", "--table", "t", "--alter",
                                          "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
            restored.wait_for_phase("swap");
            restored.kill_hard();
        }
        // With the other run's process, which lives, and a sign of life of just now.
        there.query(
            "UPDATE pgeist.jobs SET blueprint = $1::jsonb, table_oid = $2::oid, process = $3, updated_at = now()",
            {plan, source, process});
        there.execute(
            "INSERT INTO public.t VALUES (1001, 'new', 1, 1); UPDATE public.t SET note = 'changed' WHERE id = 1");
        EXPECT_EQ(text_of(only_job(uri), "state"), "interrupted");
        for (const char* name : {"resume", "verify"}) {
            const run_result refused = run_pgeist(uri, {name, "1"});
            EXPECT_TRUE(exited(refused, 3)) << name;
            EXPECT_TRUE(says(refused, {"restored here from a dump", "pgeist cleanup 1"})) << name;
        }
        EXPECT_TRUE(exited(run_pgeist(uri, {"cleanup", "--all"}), 0));
        EXPECT_EQ(there.number("SELECT count(*) FROM public.t"), 101);
        EXPECT_EQ(there.number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.t'::regclass"), 0);
        EXPECT_EQ(there.number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist%'"), 0);
    }
    sql().execute("DROP DATABASE " + copy + " WITH (FORCE)");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
}

}  // namespace
}  // namespace pgeist::test
