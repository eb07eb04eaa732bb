// What pgeist says of the server's own REPACK (CONCURRENTLY), and of a server whose time is over.

#include <gtest/gtest.h>

#include <csignal>
#include <string>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class server_repack : public run_test {
protected:
    /// Somebody asks for the last lock on public.t of this database.
    bool is_waited_for() {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation = "
                   "'public.t'::regclass AND database = (SELECT oid FROM pg_database WHERE datname = "
                   "current_database())") > 0;
    }

    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(100);
        }
    }

    bool has_it() { return sql().server_major() >= 19; }

    run_result plan(const std::string& output) {
        return command("plan", {"--table", "t", "--repack", "--output", output});
    }
};

TEST_F(server_repack, is_printed_by_the_plan_of_a_repack_where_there_is_one) {
    const run_result people = plan("human");
    EXPECT_TRUE(exited(people, 0));
    EXPECT_EQ(people.out.find("REPACK (CONCURRENTLY) public.t;") != std::string::npos, has_it()) << people.out;
    const run_result other = command("plan", {"--table", "t", "--alter", "ADD COLUMN more int"});
    EXPECT_EQ(other.out.find("REPACK"), std::string::npos) << other.out;
}

TEST_F(server_repack, is_judged_by_snapshots_and_refusals) {
    if (!has_it()) {
        return;
    }
    auto reader = db().connect();
    reader.execute("SET application_name = 'nightly report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    const run_result held = plan("json");
    EXPECT_TRUE(says(held, {R"("statement":"REPACK (CONCURRENTLY) public.t","refusals":[])", "nightly report"}));
    reader.execute("COMMIT");
    sql().execute("ALTER TABLE public.t REPLICA IDENTITY FULL");
    const run_result refused = plan("json");
    EXPECT_TRUE(says(refused, {R"("refusals":["its replica identity is FULL"])", R"("old_snapshots":[])"}));
    EXPECT_NE(sql().sqlstate_of("REPACK (CONCURRENTLY) public.t"), "") << "the server refuses it too";
}

TEST_F(server_repack, is_listed_with_the_candidates) {
    sql().execute("ANALYZE public.t");
    const run_result listed = command("repack-candidates", {"--min-bloat", "0", "--min-size", "0"});
    EXPECT_TRUE(exited(listed, 0));
    EXPECT_EQ(listed.out.find("  REPACK (CONCURRENTLY) public.t;") != std::string::npos, has_it()) << listed.out;
}

TEST_F(server_repack, is_run_where_it_is_asked_for) {
    const run_result done = run({"--repack", "--method", "server", "--output", "json"});
    if (!has_it()) {
        EXPECT_TRUE(exited(done, 3));
        expect_nothing_left();
        return;
    }
    EXPECT_TRUE(exited(done, 0));
    EXPECT_EQ(text_of(done.events("job").front(), "strategy"), "server");
    EXPECT_EQ(text_of(done.events("step").back(), "method"), "server");
    EXPECT_TRUE(says(done, {"see no rows afterwards"}));
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 100);
    expect_cleanup_leaves_nothing();
}

TEST_F(server_repack, waits_for_old_snapshots_and_gives_up) {
    if (!has_it()) {
        return;
    }
    auto reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    const std::string file = "SELECT pg_relation_filenode('public.t')";
    const std::string before = sql().scalar(file);
    const run_result held = run({"--repack", "--method", "server", "--swap-max-wait", "1s", "--output", "json"});
    EXPECT_TRUE(exited(held, 4));
    EXPECT_FALSE(held.events("lock_wait").empty()) << held.out;
    EXPECT_EQ(sql().scalar(file), before);
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(command("resume", {std::to_string(*number_of(only_job(db().uri()), "job"))}), 0));
    EXPECT_NE(sql().scalar(file), before);
    expect_cleanup_leaves_nothing();
}

/// Who reads the table keeps its last lock from it, and may keep nobody else waiting for long.
TEST_F(server_repack, begins_anew_when_its_last_lock_is_not_to_be_had) {
    if (!has_it()) {
        return;
    }
    auto reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM public.t");  // READ COMMITTED: no snapshot is held, but the lock is
    pgeist_process running(db().uri(), {"run", "--table", "t", "--repack", "--method", "server", "--output", "json"});
    running.wait_for_event("a start that is given up", [](const auto& event) {
        return text_of(event, "event") == "message" && text_of(event, "text").find("start 1 of") == 0;
    });
    reader.execute("COMMIT");
    const run_result done = running.finish(std::chrono::seconds(60));
    EXPECT_TRUE(exited(done, 0));
    expect_cleanup_leaves_nothing();
}

TEST_F(server_repack, killed_leaves_neither_slot_nor_session) {
    if (!has_it()) {
        return;
    }
    auto reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM public.t");
    pgeist_process running(db().uri(), {"run", "--table", "t", "--repack", "--method", "server", "--lock-timeout",
                                        "30s", "--output", "json"});
    wait_for("its last lock to be asked for", [&] { return is_waited_for(); });
    running.kill_hard();
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pg_repack%' AND "
                           "database = current_database()"),
              0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_stat_progress_repack WHERE datname = current_database()"), 0);
    reader.execute("COMMIT");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 100);
}

TEST_F(server_repack, ends_at_once_when_it_is_told_to) {
    if (!has_it()) {
        return;
    }
    for (const bool by_signal : {true, false}) {
        auto reader = db().connect();
        reader.execute("BEGIN; SELECT count(*) FROM public.t");
        pgeist_process running(db().uri(), {"run", "--table", "t", "--repack", "--method", "server", "--lock-timeout",
                                            "30s", "--output", "json"});
        wait_for("its last lock to be asked for", [&] { return is_waited_for(); });
        const std::string job = text_of(only_job(db().uri()), "job");
        const run_result status = command("status", {job, "--output", "json"});
        EXPECT_TRUE(says(status, {R"("state":"started")"}));
        if (by_signal) {
            running.signal(SIGTERM);
        } else {
            EXPECT_TRUE(exited(command("cancel", {job}), 0));
        }
        EXPECT_TRUE(exited(running.finish(), 6));
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE 'pg_repack%' AND "
                               "database = current_database()"),
                  0);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_stat_progress_repack WHERE datname = current_database()"), 0);
        EXPECT_EQ(job_list(db().uri()).size(), by_signal ? 1U : 0U) << "the one can be resumed";
        expect_cleanup_leaves_nothing();
    }
}

TEST_F(server_repack, gives_up_after_so_many_starts_and_goes_on_later) {
    if (!has_it()) {
        return;
    }
    auto reader = db().connect();
    reader.execute("SET application_name = 'long read'; BEGIN; SELECT count(*) FROM public.t");
    const run_result given_up = run({"--repack", "--method", "server", "--lock-timeout", "50ms", "--output", "json"});
    EXPECT_TRUE(exited(given_up, 4));
    EXPECT_TRUE(says(given_up, {"start 4 of 5", "begun 5 times", "long read"}));
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 100);
    expect_cleanup_leaves_nothing();
}

TEST_F(server_repack, and_a_version_whose_time_is_over_is_named) {
    const run_result planned = plan("human");
    EXPECT_EQ(planned.out.find("its time is over") != std::string::npos, sql().server_major() == 14) << planned.out;
}

}  // namespace
}  // namespace pgeist::test
