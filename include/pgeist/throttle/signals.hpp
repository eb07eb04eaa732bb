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

/// All signals but the user's pause and the rate, in the order in which their reasons are told.
[[nodiscard]] std::vector<std::unique_ptr<signal>> make_signals();

}  // namespace pgeist::throttle
