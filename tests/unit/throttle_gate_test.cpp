#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "pgeist/core/error.hpp"
#include "pgeist/throttle/gate.hpp"

namespace pgeist::throttle {
namespace {

using namespace std::chrono_literals;

class gate_test : public ::testing::Test {
protected:
    /// Starts somebody on their way through the gate.
    void send(awaitable<void> passage) {
        auto on_end = [this](std::exception_ptr problem) {
            passed = true;
            failure = std::move(problem);
        };
        asio::co_spawn(io, std::move(passage), asio::bind_cancellation_slot(cancel.slot(), std::move(on_end)));
    }
    /// Lets time pass; @returns whether the passage has ended.
    bool after(std::chrono::milliseconds time) {
        io.restart();
        io.run_for(time);
        return passed;
    }

    asio::cancellation_signal cancel;
    asio::io_context io{1};
    run::settings limits;
    bool passed = false;
    std::exception_ptr failure;
};

TEST_F(gate_test, is_open_when_nothing_is_limited) {
    gate door(limits);
    EXPECT_EQ(door.reason(), std::nullopt);
    send(door.pass(work{100'000, 1s}));
    EXPECT_TRUE(after(50ms));
}

TEST_F(gate_test, is_closed_while_the_user_pauses) {
    gate door(limits);
    door.pause("paused by alice");
    EXPECT_EQ(door.reason(), "paused by alice");
    send(door.pass(work()));
    EXPECT_FALSE(after(300ms));
    door.unpause();
    EXPECT_TRUE(after(500ms));
    EXPECT_FALSE(failure);
}

TEST_F(gate_test, is_closed_while_the_pause_file_exists) {
    const std::string file = ::testing::TempDir() + "pgeist_gate_test.pause";
    limits.pause_file = file;
    gate door(limits);
    EXPECT_EQ(door.reason(), std::nullopt);
    std::ofstream(file) << "x";
    EXPECT_EQ(door.reason(), "pause file " + file + " exists");
    send(door.pass(work()));
    EXPECT_FALSE(after(300ms));
    std::filesystem::remove(file);
    EXPECT_TRUE(after(500ms));
}

TEST_F(gate_test, paces_by_rows) {
    limits.max_rate = 1000;
    gate door(limits);
    EXPECT_EQ(door.chunk_limit(), 1000);
    send(door.pass(work{400, 10ms}));
    EXPECT_FALSE(after(200ms));
    EXPECT_EQ(door.reason(), "limited to 1,000 rows/s");
    EXPECT_TRUE(after(400ms));
    EXPECT_EQ(door.reason(), std::nullopt);
}

TEST_F(gate_test, rests_as_nice_says) {
    limits.nice = 2;
    gate door(limits);
    send(door.pass(work{100, 150ms}));
    EXPECT_FALSE(after(200ms));
    EXPECT_EQ(door.reason(), std::nullopt) << "resting is no reason to worry";
    EXPECT_TRUE(after(300ms));
}

TEST_F(gate_test, obeys_changed_limits_at_once) {
    limits.max_rate = 1;
    gate door(limits);
    send(door.pass(work{1000, 10ms}));
    EXPECT_FALSE(after(100ms));
    limits.max_rate.reset();
    door.configure(limits);
    EXPECT_TRUE(after(500ms));
}

TEST_F(gate_test, holds_everybody_back_until_the_lag_is_known) {
    limits.max_lag_bytes = 1;
    gate door(limits);
    EXPECT_EQ(door.reason(), "replica lag not yet known");
    limits.max_lag_bytes.reset();
    limits.max_load = 1;
    door.configure(limits);
    EXPECT_EQ(door.reason(), std::nullopt) << "an unknown load holds nobody back";
}

TEST_F(gate_test, never_starves_replay) {
    gate door(limits);
    door.pause("paused");
    send(door.pass_replay(work{100, 10ms}));
    EXPECT_FALSE(after(700ms)) << "slowed";
    EXPECT_TRUE(after(700ms)) << "but not stopped";
}

TEST_F(gate_test, lets_replay_go_on_at_once_when_the_reason_is_gone) {
    gate door(limits);
    door.pause("paused");
    send(door.pass_replay(work{100, 10s}));
    EXPECT_FALSE(after(300ms));
    door.unpause();
    EXPECT_TRUE(after(500ms));
}

TEST_F(gate_test, lets_go_of_whoever_is_cancelled) {
    gate door(limits);
    door.pause("paused");
    send(door.pass(work()));
    EXPECT_FALSE(after(50ms));
    cancel.emit(asio::cancellation_type::terminal);
    EXPECT_TRUE(after(100ms));
    ASSERT_TRUE(failure);
    EXPECT_THROW(std::rethrow_exception(failure), cancelled);
}

TEST_F(gate_test, watch_ends_silently_when_it_is_cancelled) {
    gate door(limits);
    send(door.watch(pg::connect_options()));
    EXPECT_FALSE(after(50ms)) << "nothing to ask, no connection, but it goes on";
    cancel.emit(asio::cancellation_type::terminal);
    EXPECT_TRUE(after(100ms));
    EXPECT_FALSE(failure);
}

TEST_F(gate_test, watch_without_a_server_leaves_strict_signals_closed) {
    limits.throttle_query = "SELECT 0";
    gate door(limits);
    pg::connect_options nowhere;
    nowhere.set("host", "/nonexistent");
    send(door.watch(nowhere));
    EXPECT_FALSE(after(200ms));
    const auto reason = door.reason();
    ASSERT_TRUE(reason);
    EXPECT_NE(reason->find("throttle query failed"), std::string::npos) << *reason;
    cancel.emit(asio::cancellation_type::terminal);
    EXPECT_TRUE(after(100ms));
}

}  // namespace
}  // namespace pgeist::throttle
