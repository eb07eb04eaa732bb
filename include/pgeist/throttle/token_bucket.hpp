#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace pgeist::throttle {

/// Limits rows per second over chunks whose size is known only afterwards: work is paid for when it is done, and new
/// work waits until the debt is paid off. What is not used is saved for at most one second.
class token_bucket {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    /// A new rate; nothing: no limit. A debt is forgotten.
    void rate(std::optional<std::int64_t> rows_per_second);
    [[nodiscard]] std::optional<std::int64_t> rate() const noexcept { return rate_; }

    /// `rows` were done.
    void take(std::int64_t rows, time_point now);
    /// How long until the next work may start; zero when it may now.
    [[nodiscard]] duration wait(time_point now) const;

private:
    [[nodiscard]] double tokens_at(time_point now) const;

    std::optional<std::int64_t> rate_;
    double tokens_ = 0;
    std::optional<time_point> counted_;
};

}  // namespace pgeist::throttle
