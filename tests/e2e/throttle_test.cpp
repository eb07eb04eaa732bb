// What holds a run back on a real server, with a real replica, and what it says meanwhile.

#include <gtest/gtest.h>

#include <ctime>
#include <memory>
#include <regex>
#include <string>
#include <vector>

#include <unistd.h>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// A streaming replica of the server under test, made by scripts/pg.sh.
class replica {
public:
    explicit replica(sync_connection& primary) {
        const std::string folder = primary.scalar("SELECT setting FROM pg_settings WHERE name = 'data_directory'");
        std::smatch parts;
        if (!std::regex_search(folder, parts, std::regex("/(\\d+)-([a-z0-9_-]+)/data$"))) {
            throw std::runtime_error("the server under test was not started by scripts/pg.sh: " + folder);
        }
        version_ = parts[1];
        name_ = "replica_" + std::to_string(::getpid());
        const std::string uri = call({"start", version_, "--instance", name_, "--replica-of", parts[2]});
        connection_ = std::make_unique<sync_connection>(uri.substr(0, uri.find('\n')));
        wait_for("the replica to stream", [&] {
            return primary.number(
                       "SELECT count(*) FROM pg_stat_replication WHERE application_name = $1 "
                       "AND state = 'streaming'",
                       {name_}) == 1;
        });
    }
    ~replica() {
        connection_.reset();
        call({"stop", version_, "--instance", name_, "--mode", "immediate"});
    }
    replica(const replica&) = delete;
    replica& operator=(const replica&) = delete;

    [[nodiscard]] const std::string& name() const { return name_; }
    void pause() { connection_->query("SELECT pg_wal_replay_pause()"); }
    void go_on() { connection_->query("SELECT pg_wal_replay_resume()"); }

private:
    static std::string call(std::vector<std::string> arguments) {
        launch what;
        what.program = PGEIST_SOURCE_DIR "/scripts/pg.sh";
        what.arguments = std::move(arguments);
        child_process script(what);
        const exit_status ended = script.wait();
        if (ended.code != 0) {
            ADD_FAILURE() << "pg.sh: " << script.err();
        }
        return script.out();
    }

    std::string version_;
    std::string name_;
    std::unique_ptr<sync_connection> connection_;
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
    void wait_for_reason(const std::string& text) {
        std::string last;
        try {
            wait_for("a reason: " + text, [&] {
                last = text_of(only_job(db().uri()), "throttled");
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
    replica standby(sql());
    standby.pause();
    make_table(20000);
    sql().execute("CREATE TABLE public.filler AS SELECT repeat('x', 1000) FROM generate_series(1, 2000)");
    pgeist_process running =
        start({"--alter", "ALTER COLUMN id TYPE bigint", "--chunk-rows", "500", "--max-lag", standby.name() + ":1MB"});
    running.wait_for_phase("copy");
    wait_for_reason("replica " + standby.name());
    EXPECT_NE(text_of(only_job(db().uri()), "throttled").find("(limit 1024 kB)"), std::string::npos)
        << text_of(only_job(db().uri()), "throttled");
    EXPECT_LE(copied(), 1000) << "at most what was under way";
    EXPECT_TRUE(says(command("status", {"1"}), {"replica lag", "waits for"}));
    // The same in time: off takes the other limit away, names included.
    set({"max-lag=off", "max-lag=" + standby.name() + ":100ms"});
    wait_for_reason("(limit 100ms)");
    EXPECT_LT(copied(), 20000);
    standby.go_on();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t"), 20000);
    bool told = false;
    for (const auto& event : result.events("progress")) {
        told = told || (text_of(event, "throttled").find(standby.name()) != std::string::npos &&
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
