// The swap's lock: who holds the table is not disturbed, waits are bounded, and the application never stands behind
// pgeist for longer than a lock timeout.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

const std::vector<std::string> soon_giving_up{
    "--alter", "ALTER COLUMN id TYPE bigint", "--swap-max-wait", "2s", "--swap-attempts", "3"};

class swap_lock : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(500);
        }
    }

    void make_rows(int number) {
        sql().execute("INSERT INTO public.t SELECT i, 'note ' || i, i / 4.0, i * 10 FROM generate_series(501, " +
                      std::to_string(number) + ") AS i; ANALYZE public.t");
    }

    /// A transaction has changed every row, and commits when pgeist stands behind it in the queue for the lock.
    run_result swap_behind_changes_of_all_rows(std::vector<std::string> options) {
        options.insert(options.end(), {"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
        pgeist_process running = start(options);
        running.wait_for_phase("swap");
        sync_connection writer = db().connect();
        writer.execute("BEGIN; UPDATE public.t SET code = code + 1");
        EXPECT_TRUE(exited(command("swap", {text_of(only_job(db().uri()), "job")}), 0));
        wait_for("pgeist in the queue for the lock", [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_locks WHERE relation = 'public.t'::regclass AND mode = "
                       "'AccessExclusiveLock' AND NOT granted") == 1;
        });
        writer.execute("COMMIT");
        return running.finish();
    }

    void expect_swapped_with_all_changes(const run_result& result, int rows) {
        EXPECT_TRUE(exited(result, 0));
        ASSERT_EQ(result.events("swap").size(), 1U);
        EXPECT_LT(number_of(result.events("swap").front(), "lock_held_ms").value_or(9999), 2000);
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE code = id * 10 + 1"), rows);
        EXPECT_EQ(type_of("id"), "bigint");
        expect_cleanup_leaves_nothing();
    }

    static void wait_for_lock_wait(pgeist_process& running) {
        running.wait_for_event("lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    }
};

TEST_F(swap_lock, that_cannot_be_had_is_exit_4_and_the_job_can_be_resumed) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    const table_state before = state_of();
    const run_result result = run(soon_giving_up);
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {std::to_string(reader.backend_pid()), "resume"}));
    EXPECT_EQ(state_of().identity, before.identity);
    EXPECT_EQ(reader.sqlstate_of("SELECT count(*) FROM public.t"), "") << "the reader was disturbed";

    sql().execute("UPDATE public.t SET note = 'between' WHERE id = 7");
    reader.execute("COMMIT");
    const boost::json::object job = only_job(db().uri());
    EXPECT_TRUE(is_true(job, "resumable"));
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(note_of(7), "between");
    expect_cleanup_leaves_nothing();
}

TEST_F(swap_lock, never_keeps_the_application_waiting_longer_than_its_timeout) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    std::atomic<bool> stop = false;
    std::chrono::steady_clock::duration longest{};
    std::string error;
    std::thread application([&] {
        try {
            sync_connection connection = db().connect();
            while (!stop) {
                const auto begin = std::chrono::steady_clock::now();
                connection.execute("UPDATE public.t SET code = code + 1 WHERE id = 3");
                longest = std::max(longest, std::chrono::steady_clock::now() - begin);
            }
        } catch (const std::exception& failure) {
            error = failure.what();
        }
    });
    const run_result result = run({"--alter", "ALTER COLUMN id TYPE bigint", "--lock-timeout", "150ms",
                                   "--swap-max-wait", "3s", "--swap-attempts", "20"});
    stop = true;
    application.join();
    EXPECT_EQ(error, "");
    EXPECT_TRUE(exited(result, 4));
    // The timeout may grow, and this machine may be busy; without a timeout it would be three seconds or for ever.
    EXPECT_LT(std::chrono::duration_cast<std::chrono::milliseconds>(longest).count(), 1500);
}

TEST_F(swap_lock, names_who_is_in_the_way) {
    sync_connection reader = db().connect();
    reader.execute("SET application_name = 'nightly report'; BEGIN; SELECT 1 FROM public.t LIMIT 1");
    pgeist_process running = start(soon_giving_up);
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 4));
    const std::vector<boost::json::object> waits = result.events("lock_wait");
    ASSERT_FALSE(waits.empty());
    EXPECT_LE(waits.size(), 3U);
    EXPECT_NE(text_of(waits.front(), "blockers").find(std::to_string(reader.backend_pid())), std::string::npos)
        << text_of(waits.front(), "blockers");
    EXPECT_TRUE(number_of(waits.front(), "attempt").has_value());
    EXPECT_TRUE(number_of(waits.front(), "waited_ms").has_value());
}

TEST_F(swap_lock, is_taken_when_the_reader_has_ended_and_no_query_is_cancelled) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint"});
    wait_for_lock_wait(running);
    EXPECT_EQ(reader.sqlstate_of("SELECT count(*) FROM public.t; COMMIT"), "");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(reader.number("SELECT count(*) FROM public.t"), 500);
}

// A transaction that commits more than the lock's budget can take while pgeist stands in the queue.
TEST_F(swap_lock, is_given_back_when_too_many_changes_came_in_with_it) {
    make_rows(60000);
    const run_result result = swap_behind_changes_of_all_rows({"--lock-timeout", "2s"});
    EXPECT_TRUE(says(result, {"60,000 changes were waiting when the lock was granted, more than --lock-timeout"}));
    expect_swapped_with_all_changes(result, 60000);
}

TEST_F(swap_lock, is_given_back_when_changes_for_more_than_milliseconds_came_in_with_it) {
    make_rows(1500);
    const run_result result = swap_behind_changes_of_all_rows({"--lock-timeout", "5s"});
    EXPECT_TRUE(says(result, {"1,500 changes were waiting when the lock was granted; it was given back"}));
    EXPECT_FALSE(says(result, {"more than --lock-timeout"}));
    expect_swapped_with_all_changes(result, 1500);
}

// The eleventh attempt is the first that waits for its turn, and here the last.
TEST_F(swap_lock, is_kept_in_the_last_attempt_for_what_its_budget_allows) {
    make_rows(1500);
    const run_result result = swap_behind_changes_of_all_rows({"--lock-timeout", "5s", "--swap-attempts", "11"});
    EXPECT_FALSE(says(result, {"were waiting when the lock was granted"}));
    expect_swapped_with_all_changes(result, 1500);
}

// The sequence is locked beside the table: in a circle pgeist must be the one that gives way.
TEST_F(swap_lock, of_a_table_with_a_sequence_is_waited_for_for_less_than_the_deadlock_timeout) {
    sql().execute("ALTER TABLE public.t ADD COLUMN n serial");
    pgeist_process running = start({"--repack", "--lock-timeout", "60s", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.t SET code = code + 1 WHERE id = 3");
    EXPECT_TRUE(exited(command("swap", {text_of(only_job(db().uri()), "job")}), 0));
    // The attempt is over though the writer holds the table.
    running.wait_for_event(
        "lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; },
        std::chrono::seconds(30));
    writer.execute("COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT code FROM public.t WHERE id = 3"), 31);
}

TEST_F(swap_lock, names_those_who_draw_numbers_ahead_beside_those_who_write) {
    sql().execute("ALTER TABLE public.t ADD COLUMN n serial");
    pgeist_process running = start({"--repack", "--swap-attempts", "3", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sync_connection drawing = db().connect();
    drawing.execute("BEGIN; SELECT nextval('public.t_n_seq')");
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.t SET code = code + 1 WHERE id = 3");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {std::to_string(drawing.backend_pid()), std::to_string(writer.backend_pid()),
                              "in 3 of the attempts somebody had drawn a number from public.t_n_seq"}));
}

TEST_F(swap_lock, cancels_blockers_only_when_told_to) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN");
    reader.send("SELECT pg_sleep(80) FROM public.t");
    wait_for("the reader at work", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE pid = $1 AND relation = 'public.t'::regclass",
                            {std::to_string(reader.backend_pid())}) > 0;
    });
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint", "--on-blocked", "cancel"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    std::string state;
    try {
        reader.finish();
    } catch (const sql_error& error) {
        state = error.sqlstate();
    }
    EXPECT_EQ(state, "57014");
}

TEST_F(swap_lock, terminates_blockers_only_when_told_to) {
    sync_connection idle = db().connect();
    idle.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint", "--on-blocked", "terminate"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_NE(idle.sqlstate_of("SELECT 1"), "");
}

TEST_F(swap_lock, for_capture_is_bounded_too) {
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.t SET note = 'open' WHERE id = 1");
    const run_result result = run(soon_giving_up);
    EXPECT_TRUE(exited(result, 4));
    EXPECT_EQ(writer.sqlstate_of("UPDATE public.t SET note = 'done' WHERE id = 1; COMMIT"), "");
    const boost::json::object job = only_job(db().uri());
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    EXPECT_EQ(note_of(1), "done");
    EXPECT_EQ(type_of("id"), "bigint");
    expect_cleanup_leaves_nothing();
}

TEST_F(swap_lock, cleanup_waits_politely_for_a_reader) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    EXPECT_TRUE(exited(run(soon_giving_up), 4));
    pgeist_process cleaning(db().uri(), {"cleanup", "--all"});
    wait_for("cleanup at work", [&] {
        return !cleaning.process().running() ||
               sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name "
                   "LIKE 'pgeist%'") > 0;
    });
    EXPECT_EQ(sql().sqlstate_of("SET statement_timeout = '5s'; SELECT count(*) FROM public.t; RESET statement_timeout"),
              "");
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(cleaning.finish(), 0));
    expect_nothing_left();
}

// A snapshot taken before the copy would see the new table empty.
TEST_F(swap_lock, an_old_snapshot_holds_the_swap_back) {
    sql().execute("CREATE TABLE public.other (n int)");
    sync_connection old = db().connect();
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
    const run_result result = run(soon_giving_up);
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {std::to_string(old.backend_pid())}));
    EXPECT_EQ(old.number("SELECT count(*) FROM public.t"), 500);
    old.execute("COMMIT");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(swap_lock, an_old_snapshot_can_be_ignored_when_told_to) {
    sql().execute("CREATE TABLE public.other (n int)");
    sync_connection old = db().connect();
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint", "--ignore-old-snapshots"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

// Another role's snapshot age is hidden from a role without pg_read_all_stats; its transaction id is not.
TEST_F(swap_lock, an_old_snapshot_of_another_role_is_seen_without_rights) {
    const std::string owner = db().create_role("owner");
    sql().execute("CREATE TABLE public.other (n int); ALTER TABLE public.t OWNER TO " + owner +
                  "; GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                  "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner);
    sync_connection old = db().connect();
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
    std::vector<std::string> arguments{"run", "--table", "t"};
    arguments.insert(arguments.end(), soon_giving_up.begin(), soon_giving_up.end());
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), arguments), 4));
    EXPECT_EQ(old.number("SELECT count(*) FROM public.t"), 500);
    old.execute("COMMIT");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"resume", text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

// Whoever works on the shadow, autovacuum for one, must not make the application wait for the table pgeist holds.
TEST_F(swap_lock, a_lock_on_the_shadow_never_keeps_the_application_waiting) {
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    const std::string job = text_of(only_job(db().uri()), "job");
    sync_connection maintenance = db().connect();
    maintenance.execute("BEGIN; LOCK TABLE pgeist_" + job + ".t IN SHARE UPDATE EXCLUSIVE MODE");
    EXPECT_TRUE(exited(command("swap", {job}), 0));
    wait_for_lock_wait(running);
    for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(
            sql().sqlstate_of("BEGIN; SET LOCAL statement_timeout = '5s'; UPDATE public.t SET note = 'x' WHERE id = 3; "
                              "COMMIT"),
            "");
    }
    EXPECT_EQ(type_of("id"), "integer");
    maintenance.execute("COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(note_of(3), "x");
}

// ALTER … USING to the same type leaves the definition as it is, but not the rows, and fires no trigger.
TEST_F(swap_lock, a_source_rewritten_by_others_is_not_swapped_unnoticed) {
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("ALTER TABLE public.t ALTER COLUMN code TYPE int USING code + 1");
    const std::string rewritten = table_digest(sql(), "public.t");
    EXPECT_TRUE(exited(command("swap", {text_of(only_job(db().uri()), "job")}), 0));
    const run_result result = running.finish();
    if (result.exit_code == 0) {
        EXPECT_EQ(type_of("id"), "bigint");
    } else {
        EXPECT_TRUE(exited(result, 1));
        EXPECT_EQ(type_of("id"), "integer");
    }
    EXPECT_EQ(table_digest(sql(), "public.t"), rewritten);
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(table_digest(sql(), "public.t"), rewritten);
}

TEST_F(swap_lock, a_postponed_swap_waits_for_the_command) {
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_EQ(type_of("id"), "integer");
    sql().execute("UPDATE public.t SET note = 'while waiting' WHERE id = 9; DELETE FROM public.t WHERE id = 10");
    EXPECT_TRUE(exited(command("swap", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(note_of(9), "while waiting");
    EXPECT_EQ(note_of(10), "no row");
}

}  // namespace
}  // namespace pgeist::test
