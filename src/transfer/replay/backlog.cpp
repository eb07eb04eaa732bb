#include "pgeist/transfer/replay/backlog.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"

namespace pgeist::replay {

namespace {

/// Looks without progress before another session is tried: one may be a large transaction that has just committed.
constexpr int looks_before_more = 3;
/// Looks at a small backlog before a session is given up: the load may come back in waves.
constexpr int looks_before_fewer = 5;
constexpr auto stuck_before_warning = std::chrono::seconds(3);
constexpr auto between_warnings = std::chrono::minutes(5);

std::int64_t rounded(double value) { return static_cast<std::int64_t>(std::llround(value)); }

}  // namespace

void backlog_watch::begin_again(const look& now) {
    lowest_ = now.left;
    taken_ = 0;
    since_ = now.at;
    looks_stuck_ = 0;
    stuck_ = true;
    all_tried_ = false;
}

void backlog_watch::begin_anew() noexcept {
    stuck_ = false;
    all_tried_ = false;
    looks_stuck_ = 0;
}

bool backlog_watch::add(const look& now) {
    left_ = now.left;
    last_ = now.at;
    workers_ = std::min(workers_, std::max(1, now.most));
    if (now.left <= now.small) {
        stuck_ = false;
        looks_stuck_ = 0;
        if (++looks_small_ >= looks_before_fewer) {
            workers_ = std::max(1, workers_ - 1);
            looks_small_ = 0;
        }
        return false;
    }
    looks_small_ = 0;
    if (!stuck_ || now.left < lowest_ - lowest_ / 10) {
        begin_again(now);
        return false;
    }
    taken_ += now.taken;
    if (++looks_stuck_ < looks_before_more) {
        return false;
    }
    if (workers_ < now.most) {
        ++workers_;
        looks_stuck_ = 0;
        return false;
    }
    if (now.at - since_ < stuck_before_warning) {
        return false;
    }
    all_tried_ = true;
    if (now.at < next_warning_) {
        return false;
    }
    next_warning_ = now.at + between_warnings;
    return true;
}

backlog_watch::clock::duration backlog_watch::stuck_for(clock::time_point now) const noexcept {
    return stuck_ ? now - since_ : clock::duration::zero();
}

double backlog_watch::seconds() const noexcept {
    return std::max(1e-3, std::chrono::duration<double>(last_ - since_).count());
}

double backlog_watch::written_per_second() const noexcept {
    return stuck_ ? std::max(0.0, static_cast<double>(left_ - lowest_ + taken_) / seconds()) : 0;
}

double backlog_watch::replayed_per_second() const noexcept {
    return stuck_ ? static_cast<double>(taken_) / seconds() : 0;
}

std::string describe_stuck(const backlog_watch& watch, std::int64_t left, int most, const std::string& throttled,
                           std::int64_t job) {
    std::string text = fmt::format(
        "replay does not converge: {} changes wait; {} are written per second and {} replayed, by {} session{}",
        format_count(left), format_count(rounded(watch.written_per_second())),
        format_count(rounded(watch.replayed_per_second())), watch.workers(), watch.workers() == 1 ? "" : "s");
    if (most == 1) {
        text += " (the key's type cannot be hashed, which is what sharing the work needs)";
    }
    if (!throttled.empty()) {
        text += fmt::format("; replay itself is held back: {}", throttled);
    }
    text += ". Nothing is swapped until the rest fits the lock budget. Lower the write rate";
    if (!throttled.empty()) {
        text += ", lift that limit";
    }
    if (most > 1) {
        text += fmt::format(", give replay more sessions (pgeist set {} workers={})", job, 2 * most);
    }
    return text + ", or wait for a quieter time";
}

}  // namespace pgeist::replay
