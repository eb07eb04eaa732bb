#pragma once

#include <chrono>
#include <cstdint>

namespace pgeist::throttle {

/// A piece of work a worker has just done; all zero before its first.
struct work {
    std::int64_t rows = 0;
    std::chrono::milliseconds time{0};
};

/// `--nice`: how long to rest after work that took `time`.
[[nodiscard]] std::chrono::milliseconds nice_rest(std::chrono::milliseconds time, double ratio);

/// How long replay rests after a batch. It never stops: a log that grows without end is the greater danger. While the
/// run is told to wait it works a fifth of the time, and no rest is longer than a few seconds.
[[nodiscard]] std::chrono::milliseconds replay_rest(std::chrono::milliseconds time, double nice_ratio,
                                                    bool told_to_wait);

}  // namespace pgeist::throttle
