#include "pgeist/supervise/reconnect_policy.hpp"

#include <algorithm>

namespace pgeist::supervise {

namespace {

constexpr auto healthy_after = std::chrono::seconds(30);
constexpr std::chrono::milliseconds first_pause{100};
constexpr std::chrono::milliseconds longest_pause{5'000};

}  // namespace

void reconnect_policy::lost(clock::time_point began, clock::time_point now, const task::phase& where) {
    const bool same_outage = lost_before_ && now - began < healthy_after;
    if (!same_outage) {
        outage_began_ = now;
    }
    in_a_row_ = where.long_statement ? (where.name == where_ ? in_a_row_ + 1 : 1) : 0;
    where_ = where.name;
    lost_before_ = true;
}

std::chrono::milliseconds reconnect_policy::pause(int attempt) {
    constexpr int most_doublings = 10;
    const auto doubled = first_pause * (1 << std::min(std::max(attempt - 1, 0), most_doublings));
    return std::min<std::chrono::milliseconds>(doubled, longest_pause);
}

}  // namespace pgeist::supervise
