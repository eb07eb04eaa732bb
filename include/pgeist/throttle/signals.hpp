#pragma once

#include <memory>
#include <vector>

#include "pgeist/throttle/signal.hpp"

namespace pgeist::throttle {

/// `--pause-file`: waits while the file exists.
[[nodiscard]] std::unique_ptr<signal> make_pause_file_signal();
/// `--max-lag`: waits while a replica is too far behind.
[[nodiscard]] std::unique_ptr<signal> make_lag_signal();
/// `--max-load`: waits while too many sessions are active.
[[nodiscard]] std::unique_ptr<signal> make_load_signal();
/// `--throttle-query`: waits while the query says so.
[[nodiscard]] std::unique_ptr<signal> make_query_signal();

/// `--window`: waits outside the times of day given.
[[nodiscard]] std::unique_ptr<signal> make_window_signal();
/// `--max-slot-lag`: waits while a replication slot keeps too much WAL.
[[nodiscard]] std::unique_ptr<signal> make_slot_signal();
/// `--max-lock-waiters`: waits while too many sessions wait for locks.
[[nodiscard]] std::unique_ptr<signal> make_lock_waiters_signal();
/// `--max-commit-latency`: waits while commits are slow.
[[nodiscard]] std::unique_ptr<signal> make_commit_signal();
/// `--max-wal-rate`: waits while the server writes WAL too fast, or checkpoints crowd.
[[nodiscard]] std::unique_ptr<signal> make_wal_signal();

/// All signals but the user's pause and the rate, in the order in which their reasons are told.
[[nodiscard]] std::vector<std::unique_ptr<signal>> make_signals();

}  // namespace pgeist::throttle
