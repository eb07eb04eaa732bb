#include "pgeist/run/reconnect_policy.hpp"

#include <algorithm>

namespace pgeist::run {

namespace {

constexpr auto healthy_after = std::chrono::seconds(30);
constexpr std::chrono::milliseconds first_pause{100};
constexpr std::chrono::milliseconds longest_pause{5'000};

/// Phases that may lose their server before they have anything to show: one statement runs for minutes or hours.
bool is_long_statement(job::phase where) { return where == job::phase::key || where == job::phase::build; }

}  // namespace

void reconnect_policy::lost(clock::time_point began, clock::time_point now, job::phase where) {
    const bool same_outage = lost_before_ && now - began < healthy_after;
    if (!same_outage) {
        outage_began_ = now;
    }
    in_a_row_ = is_long_statement(where) ? (where == where_ ? in_a_row_ + 1 : 1) : 0;
    where_ = where;
    lost_before_ = true;
}

std::chrono::milliseconds reconnect_policy::pause(int attempt) {
    constexpr int most_doublings = 10;
    const auto doubled = first_pause * (1 << std::min(std::max(attempt - 1, 0), most_doublings));
    return std::min<std::chrono::milliseconds>(doubled, longest_pause);
}

}  // namespace pgeist::run
