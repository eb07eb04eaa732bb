#include "pgeist/walk/chunk_sizer.hpp"

#include <algorithm>

namespace pgeist::walk {

namespace {

constexpr double smoothing = 0.4;     // weight of the newest measurement
constexpr double growth = 2.0;        // per step
constexpr double far_too_long = 3.0;  // times the target: believe this one measurement alone

}  // namespace

chunk_sizer::chunk_sizer(std::chrono::milliseconds target, std::int64_t first) : target_(target), rows_(first) {}

chunk_sizer chunk_sizer::fixed(std::int64_t rows) {
    chunk_sizer sizer(std::chrono::milliseconds(0), rows);
    sizer.fixed_ = true;
    return sizer;
}

void chunk_sizer::follow(std::chrono::milliseconds target, std::optional<std::int64_t> fixed) noexcept {
    target_ = target;
    fixed_ = fixed.has_value();
    if (fixed) {
        rows_ = *fixed;
    }
}

void chunk_sizer::measured(std::int64_t rows, std::chrono::nanoseconds took) noexcept {
    // A chunk cut short by a gap or the table's end says little about the speed.
    if (fixed_ || rows < smallest / 2) {
        return;
    }
    const double seconds = std::max(1e-6, std::chrono::duration<double>(took).count());
    const double target = std::chrono::duration<double>(target_).count();
    const double rate = static_cast<double>(rows) / seconds;
    const bool first = rows_per_second_ == 0;
    rows_per_second_ =
        first || seconds > target * far_too_long ? rate : rows_per_second_ + smoothing * (rate - rows_per_second_);
    const double wanted = std::min(rows_per_second_ * target, static_cast<double>(rows_) * growth);
    rows_ = std::clamp(static_cast<std::int64_t>(wanted), smallest, largest);
}

}  // namespace pgeist::walk
