#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "pgeist/core/deadline.hpp"
#include "pgeist/task/phase.hpp"

namespace pgeist::supervise {

/// How often and how long a run tries to get its connections back. Pure: it is told the time.
///
/// One outage lasts from the first loss until the run has worked again for a while; --reconnect-max bounds it. A server
/// that our own work brings down each time, such as an index build that takes its memory, would never be an outage of
/// that length: losses in one long statement without progress are counted.
class reconnect_policy {
public:
    using clock = deadline::clock;

    explicit reconnect_policy(std::chrono::milliseconds longest) : longest_(longest) {}

    /// Takes another limit, also for the outage that lasts.
    void longest(std::chrono::milliseconds limit) noexcept { longest_ = limit; }

    /// The connection was lost: what began at `began` ended at `now`, in `where`.
    void lost(clock::time_point began, clock::time_point now, const task::phase& where);

    /// When to give up. In the past: at once.
    [[nodiscard]] clock::time_point until() const noexcept { return outage_began_ + longest_; }
    /// The same statement has lost its server too often.
    [[nodiscard]] bool hopeless() const noexcept { return in_a_row_ >= most_in_a_row; }
    [[nodiscard]] int in_a_row() const noexcept { return in_a_row_; }

    /// Pause before attempt number `attempt` (from 1): doubles up to five seconds.
    [[nodiscard]] static std::chrono::milliseconds pause(int attempt);

private:
    static constexpr int most_in_a_row = 5;

    std::chrono::milliseconds longest_;
    bool lost_before_ = false;
    clock::time_point outage_began_{};
    std::string where_;
    int in_a_row_ = 0;
};

}  // namespace pgeist::supervise
