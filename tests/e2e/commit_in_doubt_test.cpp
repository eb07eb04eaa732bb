// The connection is cut at a COMMIT, before it arrives or before its answer does: whichever it was, the run finds out,
// goes on, and has done nothing twice and nothing not at all.

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/table_rows.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

constexpr const char* swap_noted = "swap_xid = pg_current_xact_id()";

class in_doubt : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            sql().execute("ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code)");
            proxy = std::make_unique<tcp_proxy>(db().address());
        }
    }

    void TearDown() override {
        proxy.reset();
        run_test::TearDown();
    }

    [[nodiscard]] std::string through() const { return proxy->through(address()).uri(); }

    [[nodiscard]] conninfo address() const { return const_cast<in_doubt*>(this)->db().address(); }

    pgeist_process start_through(const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{"run",
                                           "--output",
                                           "json",
                                           "--table",
                                           "t",
                                           "--alter",
                                           "ALTER COLUMN id TYPE bigint, ALTER COLUMN code TYPE bigint",
                                           "--chunk-rows",
                                           "100"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return {through(), std::move(arguments)};
    }

    void expect_changed() {
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(sql().scalar("SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || sum(id) || ' ' || sum(code) "
                               "FROM public.t"),
                  "1000 1000 500500 5005000");
        EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
        expect_cleanup_leaves_nothing();
    }

    /// The run goes on by itself over a connection that is cut there.
    void expect_ridden_out(const std::string& after, const std::string& text, fate what) {
        proxy->lay({after, text, what});
        pgeist_process running = start_through();
        const run_result result = running.finish();
        EXPECT_TRUE(exited(result, 0));
        EXPECT_TRUE(proxy->sprung()) << "no message with " << text;
        EXPECT_EQ(result.events("swap").size(), 1U) << "told of once";
        expect_changed();
    }

    /// Lets a run whose swap is postponed swap, as far as its COMMIT.
    void stop_at_commit(pgeist_process& running, gate& committing) {
        running.wait_for_phase("swap");
        sql().execute(
            "CREATE FUNCTION public.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM " +
            committing.expression("true", "1") +
            "; RETURN NULL; END $$; "
            "CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON pgeist.jobs DEFERRABLE INITIALLY DEFERRED FOR EACH "
            "ROW WHEN (NEW.phase = 'finish' AND OLD.phase = 'swap') EXECUTE FUNCTION public.at_commit()");
        committing.close();
        EXPECT_TRUE(exited(command("swap", {text_of(only_job(db().uri()), "job")}), 0));
        committing.wait_until_reached();
    }

    std::unique_ptr<tcp_proxy> proxy;
};

TEST_F(in_doubt, answer_lost_when_the_job_is_made) { expect_ridden_out("SET blueprint", "COMMIT", fate::answer_lost); }

TEST_F(in_doubt, request_lost_when_the_job_is_made_says_that_nothing_was) {
    proxy->lay({"SET blueprint", "COMMIT", fate::request_lost});
    const run_result result = start_through().finish();
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"nothing was changed"}));
    expect_nothing_left();
}

TEST_F(in_doubt, request_lost_at_capture) { expect_ridden_out("CREATE TRIGGER", "COMMIT", fate::request_lost); }

TEST_F(in_doubt, answer_lost_at_capture) { expect_ridden_out("CREATE TRIGGER", "COMMIT", fate::answer_lost); }

TEST_F(in_doubt, request_lost_of_a_chunk) {
    expect_ridden_out("INSERT INTO pgeist.chunks", "COMMIT", fate::request_lost);
}

TEST_F(in_doubt, answer_lost_of_a_chunk) {
    expect_ridden_out("INSERT INTO pgeist.chunks", "COMMIT", fate::answer_lost);
}

TEST_F(in_doubt, request_lost_of_the_key_index) {
    expect_ridden_out("'maintenance_work_mem'", "COMMIT", fate::request_lost);
}

TEST_F(in_doubt, answer_lost_of_the_key_index) {
    expect_ridden_out("'maintenance_work_mem'", "COMMIT", fate::answer_lost);
}

TEST_F(in_doubt, request_lost_of_a_replay_batch) {
    expect_ridden_out("pgeist_log\" AS l", "COMMIT", fate::request_lost);
}

TEST_F(in_doubt, answer_lost_of_a_replay_batch) { expect_ridden_out("pgeist_log\" AS l", "COMMIT", fate::answer_lost); }

TEST_F(in_doubt, answer_lost_of_a_comparison) { expect_ridden_out("write_rows", "COMMIT", fate::answer_lost); }

TEST_F(in_doubt, request_lost_of_the_swap) { expect_ridden_out(swap_noted, "COMMIT", fate::request_lost); }

TEST_F(in_doubt, answer_lost_of_the_swap) { expect_ridden_out(swap_noted, "COMMIT", fate::answer_lost); }

TEST_F(in_doubt, request_lost_in_the_exchange) {
    expect_ridden_out("ACCESS EXCLUSIVE MODE", "SET SCHEMA", fate::request_lost);
}

TEST_F(in_doubt, answer_lost_in_the_exchange) {
    expect_ridden_out("ACCESS EXCLUSIVE MODE", "SET SCHEMA", fate::answer_lost);
}

TEST_F(in_doubt, answer_lost_when_the_change_log_is_removed) {
    expect_ridden_out("", "DROP FUNCTION IF EXISTS", fate::answer_lost);
}

// The check of the row and of the transaction's status are two questions: a commit between them must not be taken for a
// rollback.
TEST_F(in_doubt, a_swap_that_commits_while_it_is_asked_about_is_known_as_committed) {
    gate committing(db(), 1);
    pgeist_process running = start_through({"--lock-timeout", "5s", "--postpone-swap"});
    stop_at_commit(running, committing);
    proxy->lay({"", "pg_xact_status(", fate::held});
    proxy->half_close_all();  // the server's session still commits
    proxy->wait_for_ambush();
    committing.open();
    wait_for("the swap's commit",
             [&] { return sql().number("SELECT count(*) FROM pgeist.jobs WHERE phase = 'finish'") == 1; });
    proxy->release();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_FALSE(result.mentions("rolled")) << result.said();
    proxy->drop_all();  // what the server still took for connected
    expect_changed();
}

// Neither cut short nor forgotten: the swap is done, and what comes after it is left for later.
TEST_F(in_doubt, a_signal_at_the_swaps_commit_stops_the_run_after_it) {
    gate committing(db(), 1);
    pgeist_process running = start_through({"--lock-timeout", "5s", "--postpone-swap"});
    stop_at_commit(running, committing);
    running.signal(SIGTERM);
    running.wait_for_event(
        "the signal", [](const auto& event) { return text_of(event, "text").find("stopping") != std::string::npos; });
    committing.open();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 6));
    EXPECT_EQ(result.events("swap").size(), 1U);
    EXPECT_EQ(type_of("id"), "bigint");
    const boost::json::object job = only_job(db().uri());
    EXPECT_EQ(text_of(job, "state"), "interrupted");
    EXPECT_EQ(text_of(job, "phase"), "finish");
    EXPECT_TRUE(is_true(job, "resumable"));
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    expect_changed();
}

// Killed, or cut off, when all is done but the word for it.
TEST_F(in_doubt, a_job_that_is_done_but_does_not_say_so_says_so_when_resumed) {
    EXPECT_TRUE(exited(start_through().finish(), 0));
    sql().execute("UPDATE pgeist.jobs SET state = 'running', finished_at = NULL");
    wait_for_job_state(db().uri(), "interrupted");
    const run_result resumed = command("resume", {text_of(only_job(db().uri()), "job")});
    EXPECT_TRUE(exited(resumed, 0));
    EXPECT_TRUE(says(resumed, {"done already"}));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.jobs WHERE state = 'done' AND finished_at IS NOT NULL"), 1);
    expect_changed();
}

TEST_F(in_doubt, a_swap_of_which_nobody_tells_is_exit_7_and_resume_finds_out) {
    proxy->lay({swap_noted, "COMMIT", fate::answer_lost});
    pgeist_process running = start_through({"--reconnect-max", "1s"});
    proxy->wait_for_ambush();
    proxy->cut();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 7));
    EXPECT_TRUE(says(result, {"SELECT phase FROM pgeist.jobs", "resume"}));
    wait_for_job_state(db().uri(), "interrupted");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    expect_changed();
}

TEST_F(in_doubt, a_swap_that_did_not_arrive_is_exit_9_when_nothing_is_to_be_ridden_out) {
    proxy->lay({swap_noted, "COMMIT", fate::request_lost});
    const run_result result = start_through({"--reconnect-max", "0"}).finish();
    EXPECT_TRUE(exited(result, 9));
    EXPECT_EQ(type_of("id"), "integer");
    wait_for_job_state(db().uri(), "interrupted");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    expect_changed();
}

TEST_F(in_doubt, killed_between_the_swaps_commit_and_its_answer_it_is_resumed) {
    proxy->lay({swap_noted, "COMMIT", fate::answer_lost});
    pgeist_process running = start_through();
    proxy->wait_for_ambush();
    running.kill_hard();
    wait_for_job_state(db().uri(), "interrupted");
    EXPECT_EQ(text_of(only_job(db().uri()), "phase"), "finish");
    const run_result resumed = command("resume", {text_of(only_job(db().uri()), "job"), "--output", "json"});
    EXPECT_TRUE(exited(resumed, 0));
    ASSERT_EQ(resumed.events("swap").size(), 1U) << "nobody was told yet";
    EXPECT_EQ(number_of(resumed.events("swap")[0], "attempts"), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.events WHERE event = 'swapped'"), 1);
    expect_changed();
}

TEST_F(in_doubt, killed_between_the_swaps_commit_and_its_answer_it_is_cleaned_up) {
    proxy->lay({swap_noted, "COMMIT", fate::answer_lost});
    pgeist_process running = start_through();
    proxy->wait_for_ambush();
    running.kill_hard();
    wait_for_job_state(db().uri(), "interrupted");
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
}

TEST_F(in_doubt, a_program_cut_off_under_the_lock_does_not_keep_it) {
    proxy->lay({"ACCESS EXCLUSIVE MODE", "SET SCHEMA", fate::held});
    pgeist_process running = start_through();
    proxy->wait_for_ambush();
    // Locked now, and nobody there to unlock it: the server ends the transaction after two seconds.
    EXPECT_EQ(sql().sqlstate_of("SET statement_timeout = '10s'; SELECT count(*) FROM public.t"), "");
    proxy->release();
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_changed();
}

TEST_F(in_doubt, without_the_connection_of_its_lock_it_does_not_swap) {
    proxy->lay({"", swap_noted, fate::held});
    pgeist_process running = start_through();
    proxy->wait_for_ambush();
    EXPECT_EQ(sql().number("SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = "
                           "'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                           "GROUP BY pid) AS ended"),
              1);
    wait_for("the end of that connection", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM "
                   "pg_database WHERE datname = current_database())") == 0;
    });
    proxy->release();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(result.events("phase").size(), 11U) << "ten phases, and the swap once more: " << result.out;
    expect_changed();
}

// ---------------------------------------------------------------------------------------------------------------------

// The standby that answers in the primary's place has not heard of the job yet, which does not mean that it was not
// made.
TEST_F(in_doubt, a_standby_is_not_believed_about_the_making_of_the_job) {
    const private_server primary(server_major(sql()));
    const private_server standby(replica_of{primary});
    sync_connection there(primary.address().uri());
    there.execute("CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t SELECT generate_series(1, 500)");
    sync_connection behind(standby.address().uri());
    wait_for("the table on the standby",
             [&] { return behind.number("SELECT count(*) FROM pg_class WHERE relname = 't'") == 1; });
    behind.execute("SELECT pg_wal_replay_pause()");
    proxy = std::make_unique<tcp_proxy>(primary.address());
    proxy->lay({"", "SET blueprint", fate::held});
    pgeist_process running(proxy->through(primary.address()).uri(),
                           {"run", "--output", "json", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"});
    proxy->wait_for_ambush();
    proxy->lead_to(standby.address());
    proxy->lay({"", "COMMIT", fate::answer_lost});
    proxy->release();
    proxy->wait_for_ambush();
    wait_for("a question to the standby", [&] {
        return !running.process().running() ||
               behind.number(
                   "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgeist' AND state = "
                   "'idle' AND query NOT LIKE 'SET %'") > 0;
    });
    EXPECT_EQ(there.number("SELECT count(*) FROM pgeist.jobs"), 1) << "it was made";
    proxy->lead_to(primary.address());
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(there.scalar("SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'public.t'::regclass "
                           "AND attname = 'id'"),
              "bigint");
}

}  // namespace
}  // namespace pgeist::test
