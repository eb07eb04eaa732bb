// Signals, a second run, and cleanup beside a run that is at work.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {
namespace {

class interrupted : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            copying = std::make_unique<gate>(db(), 1);
        }
    }

    void TearDown() override {
        copying.reset();
        run_test::TearDown();
    }

    pgeist_process start_and_stop_in_the_copy() {
        copying->close();
        return start({"--alter", "ALTER COLUMN id TYPE bigint", "--set",
                      "note = " + copying->expression("id = 550", "note"), "--chunk-rows", "100"});
    }

    void expect_resumable() {
        const boost::json::object job = only_job(db().uri());
        EXPECT_TRUE(is_true(job, "resumable")) << text_of(job, "state");
        EXPECT_FALSE(is_true(job, "pid_alive"));
        EXPECT_EQ(type_of("id"), "integer");
        EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
        expect_cleanup_leaves_nothing();
    }

    std::unique_ptr<gate> copying;
};

TEST_F(interrupted, by_sigint_it_ends_its_chunks_and_can_be_resumed) {
    pgeist_process running = start_and_stop_in_the_copy();
    copying->wait_until_reached();
    running.signal(SIGINT);
    copying->open();
    EXPECT_TRUE(exited(running.finish(), 6));
    expect_resumable();
}

TEST_F(interrupted, by_sigterm_it_ends_its_chunks_and_can_be_resumed) {
    pgeist_process running = start_and_stop_in_the_copy();
    copying->wait_until_reached();
    running.signal(SIGTERM);
    copying->open();
    EXPECT_TRUE(exited(running.finish(), 6));
    expect_resumable();
}

TEST_F(interrupted, by_two_signals_it_ends_at_once) {
    pgeist_process running = start_and_stop_in_the_copy();
    copying->wait_until_reached();
    running.signal(SIGINT);
    running.signal(SIGINT);
    // The gate stays closed: nothing that the server does can end the run.
    EXPECT_TRUE(exited(running.finish(std::chrono::seconds(15)), 6));
    copying->open();
    expect_resumable();
}

TEST_F(interrupted, while_it_waits_for_the_swap) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint"});
    running.wait_for_event("lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    running.signal(SIGINT);
    EXPECT_TRUE(exited(running.finish(), 6));
    reader.execute("ROLLBACK");
    expect_resumable();
}

TEST_F(interrupted, a_second_run_on_the_same_table_is_exit_8) {
    pgeist_process running = start_and_stop_in_the_copy();
    copying->wait_until_reached();
    const run_result second = run({"--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(second, 8));
    EXPECT_TRUE(says(second, {"t"}));
    copying->open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(job_list(db().uri()).size(), 1U);
}

TEST_F(interrupted, resume_of_a_job_at_work_is_exit_8) {
    pgeist_process running = start_and_stop_in_the_copy();
    copying->wait_until_reached();
    const boost::json::object job = only_job(db().uri());
    EXPECT_EQ(text_of(job, "state"), "running");
    EXPECT_TRUE(is_true(job, "pid_alive"));
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 8));
    copying->open();
    EXPECT_TRUE(exited(running.finish(), 0));
}

TEST_F(interrupted, cleanup_never_touches_a_job_at_work) {
    pgeist_process running = start_and_stop_in_the_copy();
    copying->wait_until_reached();
    EXPECT_TRUE(exited(command("cleanup", {text_of(only_job(db().uri()), "job")}), 8));
    const run_result all = command("cleanup", {"--all"});
    EXPECT_TRUE(all.exit_code == 0 || all.exit_code == 8) << all.exit_code << all.said();
    sql().execute("UPDATE public.t SET note = 'still captured' WHERE id = 10");
    copying->open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(note_of(10), "still captured");
}

TEST_F(interrupted, a_run_on_another_table_is_not_in_the_way) {
    sql().execute("CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO public.other VALUES (1), (2)");
    pgeist_process running = start_and_stop_in_the_copy();
    copying->wait_until_reached();
    EXPECT_TRUE(exited(command("run", {"--table", "other", "--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(type_of("id", "public.other"), "bigint");
    copying->open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    expect_cleanup_leaves_nothing();
}

TEST_F(interrupted, someone_elses_ddl_during_the_run_stops_it_before_the_swap) {
    pgeist_process running = start_and_stop_in_the_copy();
    copying->wait_until_reached();
    sql().execute("CREATE INDEX someone_elses ON public.t (note)");
    copying->open();
    EXPECT_TRUE(exited(running.finish(), 1));
    EXPECT_EQ(type_of("id"), "integer");
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pg_indexes WHERE indexname = 'someone_elses' AND schemaname = 'public'"), 1);
}

// After the swap the table that is called old holds the only copy of nothing, but the new one is in use: neither goes.
TEST_F(interrupted, cancel_after_the_swap_undoes_nothing) {
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    const std::string job = text_of(only_job(db().uri()), "job");
    sql().query("UPDATE pgeist.jobs SET state = 'stopped', phase = 'finish' WHERE id = $1", {job});
    command("cancel", {job});
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_" + job + ".t"), 1000) << "the old table was dropped";
}

TEST_F(interrupted, first_runs_of_a_database_may_begin_at_once) {
    std::vector<std::unique_ptr<pgeist_process>> running;
    for (int number = 1; number <= 5; ++number) {
        const std::string table = "first" + std::to_string(number);
        sql().execute("CREATE TABLE public." + table + " (id int PRIMARY KEY); INSERT INTO public." + table +
                      " SELECT generate_series(1, 100)");
    }
    for (int number = 1; number <= 5; ++number) {
        running.push_back(std::make_unique<pgeist_process>(
            db().uri(), std::vector<std::string>{"run", "--table", "first" + std::to_string(number), "--alter",
                                                 "ALTER COLUMN id TYPE bigint"}));
    }
    for (auto& each : running) {
        EXPECT_TRUE(exited(each->finish(), 0));
    }
    EXPECT_EQ(sql().number("SELECT count(DISTINCT id) FROM pgeist.jobs"), 5);
    expect_cleanup_leaves_nothing();
}

TEST_F(interrupted, by_a_log_that_grows_too_large_it_can_be_resumed) {
    copying->close();
    pgeist_process running =
        start({"--alter", "ALTER COLUMN id TYPE bigint", "--set", "note = " + copying->expression("id = 550", "note"),
               "--chunk-rows", "100", "--max-log-size", "1MB"});
    copying->wait_until_reached();
    for (int round = 0; round < 60; ++round) {
        sql().execute("UPDATE public.t SET code = code + 1");
    }
    const run_result result = running.finish();
    copying->open();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"--max-log-size", "resume"}));
    const std::string job = text_of(only_job(db().uri()), "job");
    sql().execute("CREATE TABLE public.expected AS TABLE public.t");
    EXPECT_TRUE(exited(command("resume", {job, "--max-log-size", "off"}), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
}

}  // namespace
}  // namespace pgeist::test
