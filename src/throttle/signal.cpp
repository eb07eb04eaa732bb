#include "pgeist/throttle/signal.hpp"

#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

awaitable<void> signal::sample(pg::connection&) { co_return; }

void signal::sample_failed(const std::string&) {}

std::vector<std::unique_ptr<signal>> make_signals() {
    std::vector<std::unique_ptr<signal>> all;
    all.push_back(make_pause_file_signal());
    all.push_back(make_query_signal());
    all.push_back(make_lag_signal());
    all.push_back(make_load_signal());
    return all;
}

}  // namespace pgeist::throttle
