#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace pgeist::walk {

/// Decides how many rows the next chunk gets, so that one takes about `target`. Follows the measured rows per second,
/// smoothed; shrinks at once when a chunk took far too long, grows at most twofold a step.
class chunk_sizer {
public:
    static constexpr std::int64_t smallest = 100;
    /// Keeps a rolled-back chunk, and what one snapshot holds back, small whatever the machine's speed.
    static constexpr std::int64_t largest = 200'000;

    explicit chunk_sizer(std::chrono::milliseconds target, std::int64_t first = 5'000);
    /// Always `rows`, whatever is measured.
    [[nodiscard]] static chunk_sizer fixed(std::int64_t rows);

    [[nodiscard]] std::int64_t next() const noexcept { return rows_; }
    /// Tells what a chunk of `rows` rows took.
    void measured(std::int64_t rows, std::chrono::nanoseconds took) noexcept;
    /// Takes another target, or a fixed size in its place.
    void follow(std::chrono::milliseconds target, std::optional<std::int64_t> fixed) noexcept;

private:
    std::chrono::milliseconds target_;
    std::int64_t rows_;
    double rows_per_second_ = 0;
    bool fixed_ = false;
};

}  // namespace pgeist::walk
