// What is asked of a running job from outside: that it is obeyed before it is acknowledged, in the swap too, and never
// answered with something else.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class steering : public run_test {
protected:
    /// Waits until the run has had time for several rounds of what it does.
    void let_it_work() {
        const std::string seen = text_of(only_job(db().uri()), "updated_at");
        wait_for("the run to have had time for more", [&] {
            return sql().number("SELECT (updated_at > $1::timestamptz + interval '1 second')::int FROM pgeist.jobs",
                                {seen}) == 1;
        });
    }

    /// A run that asks for the swap's lock and does not get it, until `reader` commits.
    pgeist_process start_blocked(sync_connection& reader, std::vector<std::string> more = {}) {
        reader.execute("BEGIN; LOCK TABLE t IN ACCESS SHARE MODE");
        std::vector<std::string> arguments{"--alter", "ALTER COLUMN id TYPE bigint", "--lock-timeout", "20ms"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return start(arguments);
    }

    static void wait_for_attempt(pgeist_process& running) {
        running.wait_for_event("an attempt that fails",
                               [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    }
};

// The wait for the snapshot may last hours: the pause comes in the middle of it.
TEST_F(steering, a_pause_while_an_old_snapshot_is_waited_for_holds_the_swap) {
    make_table(1000);
    sql().execute("CREATE TABLE public.other (n int)");
    sync_connection old = db().connect();
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint"});
    running.wait_for_event("the wait for the snapshot",
                           [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    for (const std::vector<std::string>& hold :
         std::vector<std::vector<std::string>>{{"pause", "1"}, {"set", "1", "postpone-swap=on"}}) {
        EXPECT_TRUE(exited(command(hold[0], {hold.begin() + 1, hold.end()}), 0));
        old.execute("COMMIT");
        let_it_work();
        EXPECT_EQ(type_of("id"), "integer") << hold[0];
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
        EXPECT_TRUE(exited(command("continue", {"1"}), 0));
    }
    old.execute("COMMIT");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(steering, verify_while_the_swap_is_blocked_compares_every_row_before_it) {
    make_table(2000);
    sync_connection reader = db().connect();
    pgeist_process running = start_blocked(reader, {"--verify", "sample:1", "--chunk-rows", "100"});
    wait_for_attempt(running);
    const run_result asked = command("verify", {"1"});
    EXPECT_TRUE(exited(asked, 0));
    EXPECT_TRUE(says(asked, {"2,000 rows", "0 differences"})) << "not the sample that was there before";
    EXPECT_EQ(sql().scalar("SELECT settings ->> 'verify' FROM pgeist.jobs"), "sample");
    EXPECT_EQ(type_of("id"), "integer");
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(steering, what_was_obeyed_is_not_obeyed_again_after_a_lost_connection) {
    make_table(2000);
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("verify", {"1"}), 0));
    EXPECT_TRUE(exited(command("set", {"1", "workers=3"}), 0));
    sql().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
        "application_name LIKE 'pgeist%'");
    running.wait_for_event("the connection", [](const auto& event) {
        return text_of(event, "text").find("connected again") != std::string::npos;
    });
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(result.events("verify").size(), 2U) << "the run's own, and the one that was asked for";
    int told = 0;
    for (const auto& event : result.events("message")) {
        told += text_of(event, "text").find("set workers = 3") != std::string::npos ? 1 : 0;
    }
    EXPECT_EQ(told, 1) << result.said();
    EXPECT_EQ(sql().scalar("SELECT settings ->> 'workers' FROM pgeist.jobs"), "3");
}

TEST_F(steering, a_cancel_after_the_swap_is_refused_by_the_database) {
    make_table(2000);
    gate stop(db(), 1);
    stop.close();
    pgeist_process running =
        start({"--alter", "ALTER COLUMN code TYPE bigint USING " + stop.expression("id = 1500", "code")});
    stop.wait_until_reached();
    // A swap between the look at the phase and the request.
    sql().execute("UPDATE pgeist.jobs SET phase = 'finish'");
    EXPECT_EQ(sql().sqlstate_of("SELECT pgeist.steer(1, 'cancel')"), "55000");
    const run_result refused = command("cancel", {"1"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"swapped the tables already"}));
    sql().execute("UPDATE pgeist.jobs SET phase = 'copy'");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.events WHERE event = 'cancel'"), 0);
    stop.open();
    EXPECT_TRUE(exited(running.finish(), 0));
}

// The program and the function for people with psql ask in the same words.
TEST_F(steering, by_psql_is_the_same_as_by_the_program) {
    make_table(500);
    pgeist_process running = start({"--repack", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    const auto asked = [&] {
        return sql().scalar(
            "SELECT (control - '{number,obeyed,verify,compared}'::text[] || jsonb_build_object('set', (control #> "
            "'{set,-1}') - 'number'::text, 'verify', (control ->> 'verify')::int = (control ->> 'number')::int))::text "
            "|| "
            "(SELECT concat_ws(' ', event, detail) FROM pgeist.events WHERE event IN ('pause', 'continue', 'set', "
            "'verify') ORDER BY at DESC LIMIT 1) FROM pgeist.jobs");
    };
    for (const std::vector<std::string>& request :
         std::vector<std::vector<std::string>>{{"pause"}, {"continue"}, {"set", "workers", "3"}, {"verify"}}) {
        std::vector<std::string> arguments{"1"};
        std::string call = "SELECT pgeist.steer(1, '" + request[0] + "'";
        if (request.size() > 1) {
            arguments.push_back(request[1] + "=" + request[2]);
            call += ", '" + request[1] + "', '" + request[2] + "'";
        }
        EXPECT_TRUE(exited(command(request[0], arguments), 0)) << request[0];
        const std::string by_program = asked();
        sql().query(call + ")");
        EXPECT_EQ(asked(), by_program) << request[0];
    }
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
}

// The state as the first version made it.
TEST_F(steering, a_job_of_an_earlier_version_is_shown_compared_and_resumed) {
    make_table(2000);
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    running.kill_hard();
    wait_for_job_state(db().uri(), "interrupted");
    const auto age = [&] {
        sql().execute(
            "DROP FUNCTION IF EXISTS pgeist.steer; DROP VIEW IF EXISTS pgeist.status; DROP INDEX IF EXISTS "
            "pgeist.jobs_incarnation; ALTER TABLE pgeist.jobs DROP COLUMN IF EXISTS figures, DROP COLUMN IF EXISTS "
            "log_bytes, DROP COLUMN IF EXISTS token, DROP COLUMN IF EXISTS incarnation; "
            "COMMENT ON SCHEMA pgeist IS 'pgeist: state of online table changes'");
    };
    for (const std::vector<std::string>& first : std::vector<std::vector<std::string>>{
             {"pause", "nobody runs job 1"}, {"verify", "2,000 rows"}, {"swap", "nobody runs job 1"}}) {
        age();
        EXPECT_EQ(text_of(only_job(db().uri()), "state"), "interrupted");
        EXPECT_TRUE(says(command(first[0], {"1"}), {first[1]}));
    }
    age();
    pgeist_process resumed(db().uri(), {"resume", "1"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(resumed.finish(), 0));
    EXPECT_EQ(sql().scalar("SELECT state FROM pgeist.status"), "done");
    EXPECT_EQ(type_of("id"), "bigint");
    age();
    expect_cleanup_leaves_nothing();
}

// The second version's tables had no identity of their own.
TEST_F(steering, state_of_version_2_serves_where_a_publication_takes_in_all_tables) {
    make_table(200);
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    sql().execute(
        "ALTER TABLE pgeist.chunks REPLICA IDENTITY DEFAULT; ALTER TABLE pgeist.events REPLICA IDENTITY DEFAULT; "
        "COMMENT ON SCHEMA pgeist IS 'pgeist: state of online table changes, version 2'; "
        "CREATE PUBLICATION everything FOR ALL TABLES");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN code TYPE bigint"}), 0));
    EXPECT_EQ(type_of("code"), "bigint");
    expect_cleanup_leaves_nothing();
}

// REINDEX CONCURRENTLY makes, and when it fails leaves behind, indexes that are nobody's definition.
TEST_F(steering, reindexing_the_source_does_not_end_the_run) {
    make_table(2000);
    sql().execute("CREATE INDEX t_note ON public.t (note)");
    gate stop(db(), 1);
    stop.close();
    pgeist_process running =
        start({"--alter", "ALTER COLUMN code TYPE bigint USING " + stop.expression("id = 1500", "code")});
    stop.wait_until_reached();
    sql().execute(
        "CREATE INDEX t_note_ccnew ON public.t (note); UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
        "'public.t_note_ccnew'::regclass");
    let_it_work();
    stop.open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("code"), "bigint");
}

// An administrator who ends the statements that he sees ends no run.
TEST_F(steering, cancelled_statements_of_the_pulse_do_not_end_the_run) {
    make_table(2000);
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sync_connection row = db().connect();
    for (int round = 0; round < 3; ++round) {
        row.execute("BEGIN; SELECT FROM pgeist.jobs FOR UPDATE");  // the heartbeat has to wait
        wait_for("a statement to cancel", [&] {
            return sql().number(
                       "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                       "AND application_name LIKE 'pgeist%' AND wait_event_type = 'Lock'") > 0;
        });
        row.execute("ROLLBACK");
        let_it_work();
    }
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
}

}  // namespace
}  // namespace pgeist::test
