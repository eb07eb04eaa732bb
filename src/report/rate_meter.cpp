#include "pgeist/report/rate_meter.hpp"

#include <algorithm>

namespace pgeist::report {

namespace {

// Less time than this between the first and the last sample says nothing about the rate.
constexpr auto shortest_span = std::chrono::milliseconds(500);
// Samples closer together than the window's hundredth are one sample.
constexpr int samples_per_window = 100;

}  // namespace

void rate_meter::add(time_point now, std::int64_t rows) {
    if (!samples_.empty() && rows < samples_.back().rows) {
        samples_.clear();
    }
    if (samples_.size() >= 2 && now - samples_[samples_.size() - 2].at < window_ / samples_per_window) {
        samples_.back() = sample{now, rows};
        return;
    }
    samples_.push_back(sample{now, rows});
    // One sample at or before the beginning of the window stays, so that the whole window is covered.
    while (samples_.size() > 2 && samples_[1].at <= now - window_) {
        samples_.pop_front();
    }
}

std::optional<double> rate_meter::rows_per_second() const {
    if (samples_.size() < 2 || samples_.back().at - samples_.front().at < shortest_span) {
        return std::nullopt;
    }
    const std::chrono::duration<double> span = samples_.back().at - samples_.front().at;
    return static_cast<double>(samples_.back().rows - samples_.front().rows) / span.count();
}

std::optional<double> rate_meter::eta_seconds(std::int64_t total) const {
    const auto rate = rows_per_second();
    if (!rate || *rate <= 0 || total <= 0) {
        return std::nullopt;
    }
    return static_cast<double>(std::max<std::int64_t>(0, total - samples_.back().rows)) / *rate;
}

std::optional<double> percent_of(std::int64_t done, std::int64_t total) {
    if (total <= 0) {
        return std::nullopt;
    }
    return std::clamp(static_cast<double>(done) * 100 / static_cast<double>(total), 0.0, 100.0);
}

}  // namespace pgeist::report
