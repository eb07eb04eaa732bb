#include <algorithm>

#include "pgeist/throttle/replica_lag.hpp"

namespace pgeist::throttle {

namespace {

constexpr std::size_t most_marks = 7200;  // two hours at one a second

}  // namespace

void wal_history::add(time_point at, std::int64_t position) {
    // An idle primary: the last mark already says when this position was reached.
    if (!marks_.empty() && marks_.back().position >= position) {
        return;
    }
    marks_.push_back(mark{at, position});
    if (marks_.size() > most_marks) {
        marks_.pop_front();
    }
}

wal_history::delay wal_history::behind(std::int64_t replayed, time_point now) const {
    const auto later = [](std::int64_t position, const mark& each) { return position < each.position; };
    const auto next = std::upper_bound(marks_.begin(), marks_.end(), replayed, later);
    if (next == marks_.end()) {
        return delay{};
    }
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(now - next->at);
    return delay{std::max(time, std::chrono::milliseconds(0)), next != marks_.begin()};
}

std::optional<std::chrono::milliseconds> lag_time(std::int64_t bytes, wal_history::delay own,
                                                  std::optional<std::chrono::milliseconds> reported,
                                                  std::optional<std::chrono::milliseconds> limit) {
    if (bytes == 0) {
        return std::chrono::milliseconds(0);
    }
    // "At least this long" is enough when it is too long already.
    if (!reported && !own.exact && (!limit || own.time <= *limit)) {
        return std::nullopt;
    }
    return std::max(own.time, reported.value_or(std::chrono::milliseconds(0)));
}

}  // namespace pgeist::throttle
