// What holds a run back on a real server, with a real replica, and what it says meanwhile.

#include <gtest/gtest.h>

#include <ctime>
#include <memory>
#include <string>
#include <vector>

#include <unistd.h>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// A server of the version under test with a streaming replica, both made by scripts/pg.sh for this test alone: what
/// other tests write at the same time would be lag too.
class replicated_server {
public:
    explicit replicated_server(sync_connection& under_test)
        : version_(std::to_string(under_test.server_major())),
          primary_("primary_" + std::to_string(::getpid())),
          replica_("replica_" + std::to_string(::getpid())) {
        uri_ = call({"start", version_, "--instance", primary_});
        standby_ = std::make_unique<sync_connection>(
            call({"start", version_, "--instance", replica_, "--replica-of", primary_}));
        sync_connection sql(uri_);
        wait_for("the replica to stream",
                 [&] { return sql.number("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 1; });
    }
    ~replicated_server() {
        standby_.reset();
        call({"stop", version_, "--instance", replica_, "--mode", "immediate"});
        call({"stop", version_, "--instance", primary_, "--mode", "immediate"});
    }
    replicated_server(const replicated_server&) = delete;
    replicated_server& operator=(const replicated_server&) = delete;

    [[nodiscard]] const std::string& uri() const { return uri_; }
    /// The replica's application_name.
    [[nodiscard]] const std::string& replica() const { return replica_; }
    void pause() { standby_->query("SELECT pg_wal_replay_pause()"); }
    void go_on() { standby_->query("SELECT pg_wal_replay_resume()"); }

private:
    /// @returns the first line of what the script says
    static std::string call(std::vector<std::string> arguments) {
        launch what;
        what.program = PGEIST_SOURCE_DIR "/scripts/pg.sh";
        what.arguments = std::move(arguments);
        child_process script(what);
        const exit_status ended = script.wait();
        if (ended.code != 0) {
            ADD_FAILURE() << "pg.sh: " << script.err();
        }
        const std::string said = script.out();
        return said.substr(0, said.find('\n'));
    }

    std::string version_;
    std::string primary_;
    std::string replica_;
    std::string uri_;
    std::unique_ptr<sync_connection> standby_;
};

class throttle : public run_test {
protected:
    /// Starts a run so slow that only a change of its options ends it.
    pgeist_process start_slowly(std::vector<std::string> more = {}) {
        make_table(20000);
        std::vector<std::string> arguments{
            "--alter", "ALTER COLUMN id TYPE bigint", "--chunk-rows", "100", "--max-rate", "100"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return start(std::move(arguments));
    }
    void set(std::vector<std::string> values) {
        values.insert(values.begin(), "1");
        EXPECT_TRUE(exited(command("set", std::move(values)), 0));
    }
    /// Waits until status gives a reason for waiting that contains `text`.
    void wait_for_reason(const std::string& text) { wait_for_reason(db().uri(), text); }
    static void wait_for_reason(const std::string& uri, const std::string& text) {
        std::string last;
        try {
            wait_for("a reason: " + text, [&] {
                last = text_of(only_job(uri), "throttled");
                return last.find(text) != std::string::npos;
            });
        } catch (const wait_failed& failure) {
            throw wait_failed(failure.what() + ("; it is: " + last));
        }
    }
    long long copied() { return sql().number("SELECT coalesce(sum(rows), 0) FROM pgeist.chunks WHERE kind = 'copy'"); }

    /// A window of an hour that begins in three, by the local clock.
    static std::string closed_window() {
        const std::time_t now = std::time(nullptr);
        std::tm local{};
        ::localtime_r(&now, &local);
        const auto at = [&](int hours) { return std::to_string(100 + (local.tm_hour + hours) % 24).substr(1) + ":00"; };
        return at(3) + "-" + at(4);
    }
};

TEST_F(throttle, by_a_replica_that_does_not_replay_in_bytes_and_in_time) {
    replicated_server server(sql());
    sync_connection primary(server.uri());
    primary.execute(
        "CREATE TABLE t AS SELECT i AS id, 'note ' || i AS note FROM generate_series(1, 20000) AS i; "
        "ALTER TABLE t ADD PRIMARY KEY (id); ANALYZE t");
    server.pause();
    primary.execute("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)");
    pgeist_process running(server.uri(),
                           {"run", "--output", "json", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint",
                            "--chunk-rows", "500", "--max-lag", server.replica() + ":1MB"});
    running.wait_for_phase("copy");
    wait_for_reason(server.uri(), "replica " + server.replica());
    const std::string reason = text_of(only_job(server.uri()), "throttled");
    EXPECT_NE(reason.find("(limit 1024 kB)"), std::string::npos) << reason;
    const auto copied_now = [&] { return primary.number("SELECT coalesce(sum(rows), 0) FROM pgeist.chunks"); };
    EXPECT_LE(copied_now(), 1000) << "at most what was under way";
    EXPECT_TRUE(says(run_pgeist(server.uri(), {"status", "1"}), {"replica lag", "waits for"}));
    // The same in time: off takes the other limit away, names included.
    EXPECT_TRUE(
        exited(run_pgeist(server.uri(), {"set", "1", "max-lag=off", "max-lag=" + server.replica() + ":100ms"}), 0));
    wait_for_reason(server.uri(), "(limit 100ms)");
    EXPECT_LT(copied_now(), 20000);
    server.go_on();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(primary.number("SELECT count(*) FROM t"), 20000);
    bool told = false;
    for (const auto& event : result.events("progress")) {
        told = told || (text_of(event, "throttled").find(server.replica()) != std::string::npos &&
                        number_of(event, "lag_bytes").value_or(0) > 0);
    }
    EXPECT_TRUE(told) << "the reason and the lag are in the progress events";
}

TEST_F(throttle, by_each_limit_with_its_reason_until_it_is_lifted) {
    const std::string slot = "slot_" + std::to_string(::getpid());
    pgeist_process running = start_slowly({"--window", closed_window()});
    running.wait_for_phase("copy");
    wait_for_reason("outside the window");
    EXPECT_EQ(copied(), 0);
    sql().query("SELECT pg_create_physical_replication_slot($1, true)", {slot});
    sql().execute("CREATE TABLE public.filler AS SELECT repeat('x', 1000) FROM generate_series(1, 500)");
    set({"window=off", "max-slot-lag=100kB"});
    wait_for_reason("of WAL (limit 100 kB)");
    sql().query("SELECT pg_drop_replication_slot($1)", {slot});

    // Three sessions wait for a fourth.
    sql().execute("BEGIN; LOCK TABLE public.filler");
    std::vector<sync_connection> waiters;
    for (int number = 0; number < 3; ++number) {
        waiters.push_back(db().connect());
        waiters.back().send("SELECT count(*) FROM public.filler");
    }
    set({"max-slot-lag=off", "max-lock-waiters=2"});
    wait_for_reason("wait for locks (limit 2)");
    sql().execute("COMMIT");
    for (sync_connection& each : waiters) {
        each.finish();
    }
    set({"max-lock-waiters=off", "max-wal-rate=1"});
    wait_for("the WAL to be noticed", [&] {
        sql().execute("INSERT INTO public.filler SELECT repeat('x', 100) FROM generate_series(1, 100)");
        return text_of(only_job(db().uri()), "throttled").find("/s of WAL (limit ") != std::string::npos;
    });
    set({"max-wal-rate=off", "max-commit-latency=1min"});
    wait_for("commits to be probed without holding anybody back", [&] {
        return text_of(only_job(db().uri()), "throttled").find("limited to 100 rows/s") != std::string::npos;
    });
    set({"max-commit-latency=off", "max-rate=off"});
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t"), 20000);
}

TEST_F(throttle, a_critical_load_ends_the_run_if_it_lasts) {
    sync_connection busy = db().connect();
    busy.send("SELECT pg_sleep(60)");
    pgeist_process running = start_slowly({"--critical-load", "0", "--critical-grace", "1s"});
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"more than --critical-load allows (0)", "pgeist resume 1"}));
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "failed");
    sql().query("SELECT pg_cancel_backend($1)", {std::to_string(busy.backend_pid())});
    const run_result resumed = command("resume", {"1", "--critical-load", "off", "--max-rate", "off"});
    EXPECT_TRUE(exited(resumed, 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t"), 20000);
}

TEST_F(throttle, the_swap_waits_for_its_window) {
    make_table(1000);
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--swap-window", closed_window()});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_NE(text_of(only_job(db().uri()), "doing").find("outside the swap window"), std::string::npos);
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

}  // namespace
}  // namespace pgeist::test
