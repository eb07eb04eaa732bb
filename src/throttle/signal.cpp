#include "pgeist/throttle/signal.hpp"

#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

awaitable<void> signal::sample(pg::connection&) { co_return; }

void signal::sample_failed(const std::string&) {}

std::vector<std::unique_ptr<signal>> make_signals() {
    std::vector<std::unique_ptr<signal>> all;
    all.push_back(make_pause_file_signal());
    all.push_back(make_window_signal());
    all.push_back(make_query_signal());
    all.push_back(make_lag_signal());
    all.push_back(make_slot_signal());
    all.push_back(make_load_signal());
    all.push_back(make_lock_waiters_signal());
    all.push_back(make_commit_signal());
    all.push_back(make_wal_signal());
    return all;
}

}  // namespace pgeist::throttle
