#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace pgeist::report {

/// Rows per second over a sliding window, and how long the rest will take at that rate.
class rate_meter {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;

    explicit rate_meter(duration window = std::chrono::seconds(10)) : window_(window) {}

    /// Forgets everything: a new phase begins.
    void reset() { samples_.clear(); }
    /// Notes that `rows` are done at `now`. Fewer rows than before (the copy starts again after a TRUNCATE) begin anew.
    void add(time_point now, std::int64_t rows);

    /// Nothing while there is too little to tell.
    [[nodiscard]] std::optional<double> rows_per_second() const;
    /// Seconds until `total` rows are done; nothing when that is unknown, or when nothing moves.
    [[nodiscard]] std::optional<double> eta_seconds(std::int64_t total) const;

private:
    struct sample {
        time_point at;
        std::int64_t rows;
    };
    duration window_;
    std::deque<sample> samples_;
};

/// 0 … 100; nothing when the total is unknown (0).
[[nodiscard]] std::optional<double> percent_of(std::int64_t done, std::int64_t total);

}  // namespace pgeist::report
