#include "pgeist/lock/schedule.hpp"

#include <algorithm>
#include <cmath>

namespace pgeist::lock {

namespace {

constexpr double nowait_pause_ms = 15;
constexpr double first_pause_ms = 100;
constexpr double longest_pause_ms = 10'000;
constexpr double pause_growth = 1.3;

}  // namespace

schedule::schedule(policy rules, std::uint64_t seed) : rules_(rules), random_(seed) {}

milliseconds schedule::jitter(double base) {
    std::uniform_real_distribution<double> spread(0.5, 1.5);
    return milliseconds(std::llround(base * spread(random_)));
}

void schedule::follow(milliseconds lock_timeout, int attempts) noexcept {
    rules_.lock_timeout = lock_timeout;
    rules_.attempts = attempts;
}

attempt schedule::next() {
    attempt upcoming;
    upcoming.number = ++made_;
    upcoming.vacuum_timeout = rules_.vacuum_timeout;
    upcoming.timeout_afterwards = std::max(milliseconds(1), std::min(rules_.lock_timeout, rules_.longest_timeout));
    const int waited = made_ - nowait_attempts - 1;  // attempts with a timeout before this one
    if (waited < 0) {
        upcoming.pause = made_ == 1 ? milliseconds(0) : jitter(nowait_pause_ms);
        return upcoming;
    }
    upcoming.pause = jitter(std::min(longest_pause_ms, first_pause_ms * std::pow(pause_growth, waited)));
    upcoming.timeout = upcoming.timeout_afterwards;
    upcoming.timeout_alone = upcoming.timeout;
    if (rules_.lock_timeout >= rules_.vacuum_timeout) {
        upcoming.timeout_alone = rules_.lock_timeout;  // a shorter wait needs a lock that makes autovacuum go first
    }
    return upcoming;
}

}  // namespace pgeist::lock
