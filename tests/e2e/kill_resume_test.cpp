// kill -9 in each phase: the database alone tells what happened, resume finishes with every row right, cleanup leaves
// nothing.

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// Three gates: in the copy at row 550, in the build of an index, and at a row whose note says so (replay, verify).
class killed : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(1000);
        copying = std::make_unique<gate>(db(), 1);
        building = std::make_unique<gate>(db(), 2);
        at_note = std::make_unique<gate>(db(), 3);
        sql().execute(
            "ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code); CREATE INDEX t_gated ON public.t ((" +
            building->expression("id = 700", "amount") + "))");
    }

    void TearDown() override {
        process.reset();
        copying.reset();
        building.reset();
        at_note.reset();
        run_test::TearDown();
    }

    void start_run(const std::vector<std::string>& more = {}) {
        const std::string note = copying->expression("id = 550", at_note->expression("note = 'stop here'", "note"));
        std::vector<std::string> arguments{"run",
                                           "--output",
                                           "json",
                                           "--table",
                                           "t",
                                           "--alter",
                                           "ALTER COLUMN id TYPE bigint, ALTER COLUMN code TYPE bigint",
                                           "--set",
                                           "note = " + note,
                                           "--chunk-rows",
                                           "100"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        process = std::make_unique<pgeist_process>(db().uri(), arguments);
    }

    void kill_in_copy(const std::vector<std::string>& more = {}) {
        copying->close();
        start_run(more);
        copying->wait_until_reached();
        process->kill_hard();
        copying->open();
    }

    void stop_in_build() {
        building->close();
        start_run();
        building->wait_until_reached();
    }

    void kill_in_build() {
        stop_in_build();
        process->kill_hard();
        building->open();
    }

    void kill_in_replay() {
        stop_in_build();
        at_note->close();
        sql().execute("UPDATE public.t SET note = 'stop here' WHERE id IN (5, 995)");
        building->open();
        at_note->wait_until_reached();
        process->kill_hard();
        at_note->open();
    }

    void kill_in_verify() {
        sql().execute("UPDATE public.t SET note = 'stop here' WHERE id IN (5, 995)");
        stop_in_build();
        at_note->close();  // these rows are copied; only verification reads them again
        building->open();
        at_note->wait_until_reached();
        process->kill_hard();
        at_note->open();
    }

    void kill_before_swap() {
        sync_connection reader = db().connect();
        reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
        start_run();
        process->wait_for_event("lock_wait in the swap",
                                [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
        process->kill_hard();
    }

    /// Changes made while nobody runs: capture must have kept them.
    void write_meanwhile() {
        sql().execute(
            "UPDATE public.t SET note = NULL WHERE id IN (20, 980); DELETE FROM public.t WHERE id IN (30, 970); "
            "INSERT INTO public.t VALUES (40000, 'meanwhile', 1, 40000); UPDATE public.t SET id = -1 WHERE id = 40; "
            "BEGIN; UPDATE public.t SET code = -1 WHERE id = 50; UPDATE public.t SET code = 500 WHERE id = 960; "
            "COMMIT");
    }

    void expect_resume_finishes() {
        wait_for_job_state(db().uri(), "interrupted");
        const boost::json::object job = only_job(db().uri());
        EXPECT_TRUE(is_true(job, "resumable"));
        EXPECT_FALSE(is_true(job, "pid_alive"));
        EXPECT_EQ(type_of("id"), "integer");
        write_meanwhile();
        sql().execute("CREATE TABLE public.expected AS TABLE public.t");
        EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
        expect_cleanup_leaves_nothing();
    }

    void expect_cleanup_undoes() {
        wait_for_job_state(db().uri(), "interrupted");
        const std::string digest = state_of().digest;
        EXPECT_TRUE(exited(command("cleanup", {text_of(only_job(db().uri()), "job")}), 0));
        EXPECT_EQ(state_of().digest, digest);
        EXPECT_EQ(type_of("id"), "integer");
        expect_cleanup_leaves_nothing();
    }

    std::unique_ptr<pgeist_process> process;
    std::unique_ptr<gate> copying;
    std::unique_ptr<gate> building;
    std::unique_ptr<gate> at_note;
};

TEST_F(killed, in_the_copy_it_can_be_resumed) {
    kill_in_copy();
    expect_resume_finishes();
}

TEST_F(killed, in_a_copy_in_the_order_of_the_file_it_can_be_resumed) {
    kill_in_copy({"--copy-order", "heap"});
    // Rows move to the end of the file, others into the room that they leave.
    sql().execute("UPDATE public.t SET note = repeat('moved ', 100) WHERE id % 7 = 0");
    sql().execute("VACUUM public.t");
    sql().execute("UPDATE public.t SET note = repeat('moved back ', 100), id = -id WHERE id > 900");
    expect_resume_finishes();
}

TEST_F(killed, in_a_copy_in_the_order_of_the_file_it_begins_again_when_the_file_is_another_one) {
    sql().execute("DELETE FROM public.t WHERE id BETWEEN 100 AND 300");
    kill_in_copy({"--copy-order", "heap", "--verify", "off"});
    sql().execute("VACUUM FULL public.t");
    expect_resume_finishes();
}

TEST_F(killed, in_the_build_it_can_be_resumed) {
    kill_in_build();
    expect_resume_finishes();
}

TEST_F(killed, in_replay_it_can_be_resumed) {
    kill_in_replay();
    expect_resume_finishes();
}

TEST_F(killed, in_verify_it_can_be_resumed) {
    kill_in_verify();
    expect_resume_finishes();
}

TEST_F(killed, before_the_swap_it_can_be_resumed) {
    kill_before_swap();
    expect_resume_finishes();
}

TEST_F(killed, in_the_copy_it_can_be_undone) {
    kill_in_copy();
    expect_cleanup_undoes();
}

TEST_F(killed, in_the_build_it_can_be_undone) {
    kill_in_build();
    expect_cleanup_undoes();
}

TEST_F(killed, in_replay_it_can_be_undone) {
    kill_in_replay();
    expect_cleanup_undoes();
}

TEST_F(killed, in_verify_it_can_be_undone) {
    kill_in_verify();
    expect_cleanup_undoes();
}

TEST_F(killed, before_the_swap_it_can_be_undone) {
    kill_before_swap();
    expect_cleanup_undoes();
}

TEST_F(killed, twice_it_can_still_be_resumed) {
    kill_in_copy();
    wait_for_job_state(db().uri(), "interrupted");
    building->close();
    process = std::make_unique<pgeist_process>(
        db().uri(), std::vector<std::string>{"resume", text_of(only_job(db().uri()), "job"), "--output", "json"});
    building->wait_until_reached();
    process->kill_hard();
    building->open();
    expect_resume_finishes();
}

TEST_F(killed, it_is_told_by_run_that_there_is_something_to_resume) {
    kill_in_copy();
    wait_for_job_state(db().uri(), "interrupted");
    const std::string job = text_of(only_job(db().uri()), "job");
    const run_result again = run({"--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_NE(again.exit_code, 0) << again.said();
    EXPECT_TRUE(says(again, {"resume"}));
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_EQ(text_of(only_job(db().uri()), "job"), job);
}

TEST_F(killed, chunks_that_were_copied_are_not_copied_again) {
    kill_in_copy();
    wait_for_job_state(db().uri(), "interrupted");
    const std::string shadow = sql().scalar(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname "
        "LIKE "
        "'pgeist\\_%' AND c.relkind = 'r' AND c.relname = 't'");
    const std::string place = sql().scalar("SELECT ctid || ' ' || xmin FROM " + shadow + " WHERE id = 42");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(sql().scalar("SELECT ctid || ' ' || xmin FROM public.t WHERE id = 42"), place);
}

}  // namespace
}  // namespace pgeist::test
