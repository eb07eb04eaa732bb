// Every option that `pgeist set` takes acts on the run that is at work, and not only on the next one.

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class steered : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped() && !HasFatalFailure()) {
            make_table(2000);
        }
    }

    /// Starts a run with chunks of 100 rows and one worker that stands at row 1500 while the gate is closed.
    pgeist_process start_at_gate(gate& stop, std::vector<std::string> more = {}) {
        return start_with("ALTER COLUMN code TYPE bigint USING " + stop.expression("id = 1500", "code"),
                          std::move(more));
    }
    pgeist_process start_with(const std::string& alter, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"--alter", alter, "--chunk-rows", "100", "--workers", "1"});
        return start(std::move(more));
    }
    void set(const std::string& value) { EXPECT_TRUE(exited(command("set", {"1", value}), 0)) << value; }

    /// Sets it and waits until the run gives a reason for waiting that contains `text`; `meanwhile` is done again and
    /// again. Then takes it away.
    void expect_reason(
        const std::string& option, const std::string& value, const std::string& text,
        const std::function<void()>& meanwhile = [] {}) {
        set(option + "=" + value);
        wait_for("a reason: " + text, [&] {
            meanwhile();
            return text_of(only_job(db().uri()), "throttled").find(text) != std::string::npos;
        });
        set(option + "=off");
    }
    long long chunks(const std::string& condition = "true") {
        return sql().number("SELECT count(*) FROM pgeist.chunks WHERE kind = 'copy' AND " + condition);
    }

    /// A window of an hour that begins in three, by the local clock.
    static std::string closed_window() {
        const std::time_t now = std::time(nullptr);
        std::tm local{};
        ::localtime_r(&now, &local);
        const auto at = [&](int hours) { return std::to_string(100 + (local.tm_hour + hours) % 24).substr(1) + ":00"; };
        return at(3) + "-" + at(4);
    }
    void expect_swapped(pgeist_process& running) {
        EXPECT_TRUE(exited(running.finish(), 0));
        EXPECT_EQ(type_of("code"), "bigint");
    }
};

// Each test says which options it is about: see all_of_them_are_tested.
const std::set<std::string>& tested() {
    static const std::set<std::string> names{
        "workers", "chunk-time", "chunk-rows", "index-jobs", "maintenance-work-mem", "max-lag", "max-slot-lag",
        "max-load", "max-lock-waiters", "max-commit-latency", "max-wal-rate", "window", "max-rate", "nice",
        "critical-load", "critical-grace", "max-log-size", "statement-timeout", "reconnect-max", "swap-attempts",
        "swap-max-wait", "on-blocked", "lock-timeout", "postpone-swap", "swap-window", "ignore-old-snapshots",
        // Of other kinds of work: backfill_test sets the one while rows are
        // filled; the other is read anew before each step, which no test sets.
        "max-dead-rows", "max-block"};
    return names;
}

TEST_F(steered, all_of_them_are_tested) {
    const run_result refused = command("set", {"1", "nonsense=1"});
    EXPECT_TRUE(exited(refused, 2));
    const std::string mark = "what can be: ";
    const std::string said = refused.said();
    const auto begin = said.find(mark);
    ASSERT_NE(begin, std::string::npos) << said;
    std::string list = said.substr(begin + mark.size(), said.find('\n', begin) - begin - mark.size());
    std::set<std::string> known;
    for (std::size_t at = 0; at != std::string::npos;) {
        const auto end = list.find(", ", at);
        known.insert(list.substr(at, end - at));
        at = end == std::string::npos ? end : end + 2;
    }
    EXPECT_EQ(known, tested());
}

TEST_F(steered, workers_and_chunks) {
    gate stop(db(), 1);
    gate last(db(), 2);
    stop.close();
    last.close();
    pgeist_process running = start_with("ALTER COLUMN code TYPE bigint USING " +
                                        last.expression("id = 1950", stop.expression("id = 1500", "code")));
    stop.wait_until_reached();
    set("chunk-rows=7");
    set("workers=2");
    last.wait_until_reached();  // by the other worker
    EXPECT_GT(chunks("rows = 7"), 10);
    set("chunk-time=10s");  // a size that follows the time, and not the number given before
    sql().query("INSERT INTO t SELECT i, 'late', 0, i FROM generate_series(3000, 12000) AS i");
    stop.open();
    last.open();
    expect_swapped(running);
    EXPECT_GT(chunks("rows > 100"), 0);
}

TEST_F(steered, throttle_limits) {
    gate stop(db(), 1);
    stop.close();
    pgeist_process running = start_at_gate(stop);
    stop.wait_until_reached();
    const std::string slot = "steered_" + std::to_string(running.process().pid());
    sql().query("SELECT pg_create_physical_replication_slot($1, true)", {slot});
    sql().execute("CREATE TABLE filler AS SELECT repeat('x', 1000) FROM generate_series(1, 500)");
    expect_reason("max-slot-lag", "1kB", "of WAL (limit 1");
    sql().query("SELECT pg_drop_replication_slot($1)", {slot});
    expect_reason("max-lag", "nobody:1GB", "replica nobody is not connected");
    sync_connection busy = db().connect();
    busy.send("SELECT " + stop.expression("true", "1"));
    expect_reason("max-load", "0", "active sessions (limit 0)");
    expect_reason("max-lock-waiters", "0", "wait for locks (limit 0)");
    expect_reason("window", closed_window(), "outside the window");
    expect_reason("max-wal-rate", "1", "/s of WAL (limit ",
                  [&] { sql().execute("INSERT INTO filler SELECT * FROM filler LIMIT 10"); });
    sql().execute(
        "DO $$ DECLARE each regprocedure; BEGIN FOR each IN SELECT oid FROM pg_proc WHERE proname = "
        "'pg_logical_emit_message' LOOP EXECUTE format('ALTER FUNCTION %s RENAME TO nothing', each); END LOOP; END $$");
    expect_reason("max-commit-latency", "1min", "a small commit failed");
    set("max-rate=1");
    stop.open();
    busy.finish();
    wait_for("the rate to be limited", [&] {
        return text_of(only_job(db().uri()), "throttled").find("limited to 1 rows/s") != std::string::npos;
    });
    set("max-rate=off");
    expect_swapped(running);
}

TEST_F(steered, nice) {
    gate stop(db(), 1);
    stop.close();
    pgeist_process running = start_at_gate(stop);
    stop.wait_until_reached();
    set("nice=100");
    const std::string seen = sql().scalar("SELECT updated_at FROM pgeist.jobs");
    const auto second_after = [&](const std::string& moment) {
        return sql().number("SELECT (updated_at > $1::timestamptz + interval '1 second')::int FROM pgeist.jobs",
                            {moment}) == 1;
    };
    wait_for("the chunk to have taken long", [&] { return second_after(seen); });
    stop.open();
    wait_for("the chunk to be done", [&] { return chunks() == 15; });
    const std::string since = sql().scalar("SELECT updated_at FROM pgeist.jobs");
    wait_for("the run to have had time for more", [&] { return second_after(since); });
    EXPECT_EQ(chunks(), 15) << "it rests for a hundred times of what the chunk took";
    set("nice=0");
    expect_swapped(running);
}

TEST_F(steered, critical_levels) {
    gate stop(db(), 1);
    stop.close();
    sync_connection busy = db().connect();
    busy.send("SELECT " + stop.expression("true", "1"));
    pgeist_process running = start_at_gate(stop, {"--critical-grace", "1h"});
    wait_for("both", [&] { return stop.waiting() == 2; });
    set("critical-load=0");
    set("critical-grace=0ms");
    EXPECT_TRUE(says(running.finish(), {"more than --critical-load allows (0)", "pgeist resume 1"}));
    pgeist_process again(db().uri(), {"resume", "1", "--output", "json", "--critical-load", "off"});
    wait_for("both again", [&] { return stop.waiting() == 2; });
    sql().execute("INSERT INTO t SELECT i, 'late', 0, i FROM generate_series(10001, 40000) AS i");
    set("max-log-size=1MB");
    EXPECT_TRUE(says(again.finish(), {"more than --max-log-size allows (1024 kB)"}));
    stop.open();
    busy.finish();
    EXPECT_TRUE(exited(command("resume", {"1", "--max-log-size", "off", "--chunk-rows", "20000"}), 0));
    EXPECT_EQ(type_of("code"), "bigint");
}

TEST_F(steered, timeout_of_chunks) {
    gate stop(db(), 1);
    gate last(db(), 2);
    stop.close();
    last.close();
    pgeist_process running = start_with("ALTER COLUMN code TYPE bigint USING " +
                                        last.expression("id = 1950", stop.expression("id = 1500", "code")));
    stop.wait_until_reached();
    set("statement-timeout=100ms");
    stop.open();
    EXPECT_TRUE(says(running.finish(), {"statement timeout"}));
    EXPECT_EQ(chunks(), 19);
    pgeist_process again(db().uri(), {"resume", "1", "--output", "json", "--statement-timeout", "0"});
    last.wait_until_reached();
    set("reconnect-max=0");
    sql().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name LIKE 'pgeist%'");
    const run_result lost = again.finish();
    EXPECT_TRUE(exited(lost, 9));
    EXPECT_TRUE(says(lost, {"--reconnect-max (0ms)"}));
}

TEST_F(steered, index_builds) {
    gate stop(db(), 1);
    gate building(db(), 2);
    sql().execute(
        "CREATE FUNCTION public.memory(here boolean, value int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN "
        "IF here THEN PERFORM pg_advisory_xact_lock_shared(7002, "
        "(pg_size_bytes(current_setting('maintenance_work_mem')) / 1024)::int); END IF; RETURN value; END $$");
    for (const char* name : {"one", "two"}) {
        sql().execute(std::string("CREATE INDEX ") + name + " ON t ((" +
                      building.expression("id = 1", "public.memory(id = 1, code)") + "))");
    }
    stop.close();
    building.close();
    // Another column: an index on what the gate converts would stand at it as well.
    pgeist_process running =
        start_with("ALTER COLUMN amount TYPE double precision USING " + stop.expression("id = 1500", "amount"),
                   {"--index-jobs", "1"});
    stop.wait_until_reached();
    set("index-jobs=2");
    set("maintenance-work-mem=7MB");
    stop.open();
    wait_for("both to be built at once", [&] { return building.waiting() == 2; });
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7002 AND objid = 7168"),
        2);
    building.open();
    EXPECT_TRUE(exited(running.finish(), 0));
}

/// A run that finds the table read by an open transaction when it wants to swap.
class steered_swap : public steered {
protected:
    pgeist_process start_blocked(std::vector<std::string> more = {}) {
        reader_ = std::make_unique<sync_connection>(db().connect());
        reader_->execute("BEGIN; SELECT count(*) FROM t");
        more.insert(more.end(), {"--swap-attempts", "1000000", "--swap-max-wait", "1h"});
        return start_with("ALTER COLUMN code TYPE bigint", std::move(more));
    }
    static void wait_until_blocked(pgeist_process& running) {
        running.wait_for_event("an attempt that fails",
                               [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    }
    std::unique_ptr<sync_connection> reader_;
};

TEST_F(steered_swap, attempts) {
    pgeist_process running = start_blocked();
    wait_until_blocked(running);
    set("swap-attempts=1");
    EXPECT_TRUE(exited(running.finish(), 4));
}

TEST_F(steered_swap, wait) {
    pgeist_process running = start_blocked();
    wait_until_blocked(running);
    set("swap-max-wait=0ms");
    EXPECT_TRUE(exited(running.finish(), 4));
}

TEST_F(steered_swap, blockers) {
    pgeist_process running = start_blocked();
    wait_until_blocked(running);
    set("on-blocked=terminate");
    expect_swapped(running);
    EXPECT_NE(reader_->sqlstate_of("SELECT 1"), "");
}

TEST_F(steered_swap, lock_timeout) {
    pgeist_process running = start_blocked();
    wait_until_blocked(running);
    set("lock-timeout=1min");
    wait_for("an attempt that stands longer than one of 200ms could", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND "
                   "l.relation = 't'::regclass AND a.query_start < clock_timestamp() - interval '2 seconds'") > 0;
    });
    reader_->execute("COMMIT");
    expect_swapped(running);
}

TEST_F(steered_swap, time) {
    gate stop(db(), 1);
    stop.close();
    pgeist_process running = start_at_gate(stop);
    stop.wait_until_reached();
    set("postpone-swap=on");
    stop.open();
    wait_for_job_state(db().uri(), "waiting_for_swap");
    set("swap-window=" + closed_window());
    set("postpone-swap=off");
    wait_for("the window to be the reason", [&] {
        return text_of(only_job(db().uri()), "doing").find("outside the swap window") != std::string::npos;
    });
    // A snapshot from before the copy.
    sync_connection old = db().connect();
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    set("swap-window=off");
    wait_for("the snapshot to be the reason", [&] {
        return text_of(only_job(db().uri()), "doing").find("waiting for an old snapshot") != std::string::npos;
    });
    EXPECT_EQ(type_of("code"), "integer");
    set("ignore-old-snapshots=on");
    expect_swapped(running);
}

}  // namespace
}  // namespace pgeist::test
