// The gate and its samplers against a real server.

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "pgeist/settings/options.hpp"
#include "pgeist/throttle/gate.hpp"
#include "support/test_database.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;

class throttled : public database_test {
protected:
    void TearDown() override {
        if (door_ && !ended_) {
            EXPECT_TRUE(stop_within(20s));
        }
        database_test::TearDown();
    }

    /// A gate with one limit, and its sampler at work.
    void watch_with(const std::string& option, const std::string& value, const std::string& uri) {
        run::apply_option(limits_, option, value);
        door_ = std::make_unique<throttle::gate>(limits_);
        pg::connect_options options;
        options.set("dbname", uri);
        auto on_end = [this](std::exception_ptr problem) {
            ended_ = true;
            failure_ = std::move(problem);
        };
        asio::co_spawn(io_, door_->watch(options), asio::bind_cancellation_slot(cancel_.slot(), std::move(on_end)));
    }
    void watch_with(const std::string& option, const std::string& value) { watch_with(option, value, db().uri()); }

    /// Lets the sampler work until `done` holds; gives up after a while.
    template <class Done>
    bool work_until(Done&& done, milliseconds patience = 10s) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (true) {
            if (done()) {
                return true;
            }
            if (std::chrono::steady_clock::now() >= end) {
                return false;
            }
            io_.restart();
            io_.run_for(20ms);
        }
    }

    /// The reason to wait, once it contains `text`; what it is in the end otherwise.
    std::string reason_with(const std::string& text) {
        std::string reason;
        work_until([&] {
            reason = door_->reason().value_or("none");
            return reason.find(text) != std::string::npos;
        });
        return reason;
    }

    bool stop_within(milliseconds time) {
        cancel_.emit(asio::cancellation_type::terminal);
        return work_until([&] { return ended_; }, time) && !failure_;
    }

    /// Another gate may follow one that was stopped.
    void again() {
        ended_ = false;
        door_.reset();
    }

    throttle::gate& door() { return *door_; }
    run::settings limits_;

private:
    asio::cancellation_signal cancel_;
    asio::io_context io_{1};
    std::unique_ptr<throttle::gate> door_;
    bool ended_ = false;
    std::exception_ptr failure_;
};

TEST_F(throttled, by_a_query_that_sees_the_users_search_path) {
    sql().execute("CREATE TABLE public.busy (level int); INSERT INTO public.busy VALUES (3)");
    watch_with("throttle-query", "SELECT level FROM busy -- how busy we are");
    EXPECT_EQ(reason_with("returned"), "throttle query returned 3");
    sql().execute("UPDATE public.busy SET level = 0");
    EXPECT_EQ(reason_with("none"), "none");
    sql().execute("DELETE FROM public.busy");
    EXPECT_EQ(reason_with("nothing"), "throttle query returned nothing");
    sql().execute("DROP TABLE public.busy");
    EXPECT_EQ(reason_with("busy"), "throttle query failed: relation \"busy\" does not exist");
    EXPECT_TRUE(stop_within(2s));
}

TEST_F(throttled, by_a_query_that_cannot_write) {
    sql().execute("CREATE TABLE public.busy (level int)");
    watch_with("throttle-query", "INSERT INTO busy VALUES (0) RETURNING level");
    EXPECT_EQ(reason_with("failed"), "throttle query failed: cannot execute INSERT in a read-only transaction");
}

TEST_F(throttled, by_a_query_that_tries_to_get_out_of_its_transaction) {
    sql().execute("CREATE TABLE public.busy (level int)");
    for (const std::string query :
         {"COMMIT; INSERT INTO public.busy VALUES (1); SELECT 0", "SET TRANSACTION READ WRITE",
          "SELECT set_config('transaction_read_only', 'off', true)",
          "DO $$ BEGIN SET TRANSACTION READ WRITE; INSERT INTO public.busy VALUES (1); END $$",
          "DO $$ BEGIN COMMIT; INSERT INTO public.busy VALUES (1); END $$"}) {
        watch_with("throttle-query", query);
        EXPECT_NE(reason_with("failed").find("throttle query failed"), std::string::npos) << query;
        EXPECT_TRUE(stop_within(10s)) << query;
        again();
    }
    // One statement that ends the transaction is the last of it.
    watch_with("throttle-query", "COMMIT");
    EXPECT_EQ(reason_with("nothing"), "throttle query returned nothing");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.busy"), 0);
}

TEST_F(throttled, by_a_query_that_takes_too_long_and_stops_all_the_same) {
    watch_with("throttle-query", "SELECT 0 FROM pg_sleep(60)");
    EXPECT_NE(reason_with("failed").find("throttle query failed"), std::string::npos);
    EXPECT_TRUE(stop_within(10s)) << "a sample that timed out must not make the sampler deaf";
}

TEST_F(throttled, by_load_of_others) {
    watch_with("max-load", "1");
    EXPECT_EQ(door().reason(), std::nullopt) << "an unknown load holds nobody back";
    sync_connection first = db().connect();
    sync_connection second = db().connect();
    first.send("SELECT pg_sleep(3)");
    second.send("SELECT pg_sleep(3)");
    EXPECT_NE(reason_with("active sessions").find("active sessions (limit 1)"), std::string::npos);
    EXPECT_TRUE(door().take_warnings().empty());
}

TEST_F(throttled, by_load_that_the_role_may_not_see) {
    const std::string role = db().create_role("blind");
    watch_with("max-load", "1000", db().uri_as(role));
    std::vector<std::string> warnings;
    work_until([&] {
        warnings = door().take_warnings();
        return !warnings.empty();
    });
    ASSERT_EQ(warnings.size(), 1U);
    EXPECT_NE(warnings.front().find("pg_monitor"), std::string::npos);
}

TEST_F(throttled, by_commits_that_cannot_be_made) {
    // Its arguments differ between versions.
    const std::string function = sql().scalar(
        "SELECT min(oid)::regprocedure FROM pg_proc WHERE proname = 'pg_logical_emit_message' "
        "AND proargtypes[2] = 'text'::regtype");
    sql().execute("REVOKE EXECUTE ON FUNCTION " + function + " FROM PUBLIC");
    const std::string role = db().create_role("mute");
    watch_with("max-commit-latency", "1min", db().uri_as(role));
    EXPECT_EQ(door().reason(), std::nullopt) << "an unknown latency holds nobody back";
    EXPECT_EQ(reason_with("failed"), "a small commit failed: permission denied for function pg_logical_emit_message");
    sql().execute("GRANT EXECUTE ON FUNCTION " + function + " TO PUBLIC");
    EXPECT_EQ(reason_with("none"), "none");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), 0)
        << "the probe leaves nothing behind";
}

TEST_F(throttled, by_lag_of_replicas_that_are_not_there) {
    watch_with("max-lag", "1MB");
    EXPECT_EQ(door().reason(), "replica lag not yet known");
    EXPECT_EQ(reason_with("none"), "none") << "nobody lags";
    run::apply_option(limits_, "max-lag", "no-such-replica:10s");
    door().configure(limits_);
    EXPECT_EQ(reason_with("no-such-replica"), "replica no-such-replica is not connected");
}

TEST_F(throttled, again_after_its_connection_was_lost) {
    watch_with("throttle-query", "SELECT 0");
    EXPECT_EQ(reason_with("none"), "none");
    sql().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'pgeist throttle'");
    EXPECT_NE(reason_with("failed").find("throttle query failed"), std::string::npos);
    EXPECT_EQ(reason_with("none"), "none");
}

// REPACK (CONCURRENTLY) of some other table keeps WAL by a slot of its own, for as long as it takes.
TEST_F(throttled, not_by_the_slot_of_a_repack) {
    if (sql().server_major() < 19) {
        return;
    }
    sql().execute("CREATE TABLE public.moved (id int PRIMARY KEY)");
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM public.moved");
    sync_connection repack = db().connect();
    repack.send("REPACK (CONCURRENTLY) public.moved");
    wait_for("REPACK to ask for its last lock", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE relation = 'public.moved'::regclass AND mode = "
                   "'AccessExclusiveLock' AND NOT granted") == 1;
    });
    sql().execute("CREATE TABLE public.filler (x text)");
    wait_for("its slot to keep WAL", [&] {
        sql().execute("INSERT INTO public.filler SELECT repeat('x', 1000) FROM generate_series(1, 500)");
        return sql().number(
                   "SELECT count(*) FROM pg_replication_slots WHERE database = current_database() AND "
                   "pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) > 500000") == 1;
    });
    watch_with("max-slot-lag", "200kB");
    EXPECT_EQ(reason_with("none"), "none");
    reader.execute("COMMIT");
    repack.finish();
}

}  // namespace
}  // namespace pgeist::test
