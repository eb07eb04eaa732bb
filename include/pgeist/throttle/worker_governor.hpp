#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace pgeist::throttle {

/// `--workers auto`: how many workers the copy should have. Climbs while one more makes it faster, and sheds half of
/// them as soon as the server asks for mercy. Pure: it is told the time, the rows done and whether a signal holds back.
class worker_governor {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr int least = 1;
    static constexpr int most = 8;  ///< more readers of one table rarely help, and each holds a connection

    explicit worker_governor(int first) : workers_(first) {}

    /// To be told about twice a second. @returns the number of workers wanted
    [[nodiscard]] int decide(time_point now, std::int64_t rows_done, bool held_back);
    /// Nothing is at work on chunks now: what was measured so far says nothing about what comes; the number stays.
    void rest();
    [[nodiscard]] int workers() const noexcept { return workers_; }

private:
    void begin_trial(time_point now, std::int64_t rows_done, int workers);

    int workers_;
    std::optional<time_point> trial_begun_;
    std::int64_t rows_at_begin_ = 0;
    double best_rate_ = 0;  ///< of the number of workers before this trial
    bool climbing_ = false;
    bool held_back_ = false;
    std::optional<time_point> rest_until_;
};

}  // namespace pgeist::throttle
