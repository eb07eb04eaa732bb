#include "pgeist/throttle/pressure.hpp"

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/throttle/signal.hpp"

namespace pgeist::throttle {

namespace {

constexpr milliseconds averaged_over{5000};

std::string age_of(time_point at, time_point now) {
    return format_duration(std::chrono::duration_cast<milliseconds>(now - at));
}

/// A remark for values that hold although they are old.
std::string as_of(time_point at, time_point now) {
    return now - at > stale_after ? fmt::format(", as of {} ago", age_of(at, now)) : std::string();
}

}  // namespace

std::optional<std::string> judge_slots(std::optional<std::int64_t> limit, const std::optional<slot_sample>& last,
                                       time_point now) {
    if (!limit) {
        return std::nullopt;
    }
    if (!last) {
        return "WAL kept by replication slots not yet known";
    }
    if (now - last->at > stale_after) {
        return fmt::format("WAL kept by replication slots not known for {}", age_of(last->at, now));
    }
    for (const slot& each : last->slots) {
        if (each.bytes > *limit) {
            return fmt::format("replication slot {} keeps {} of WAL (limit {})", each.name, format_size(each.bytes),
                               format_size(*limit));
        }
    }
    return std::nullopt;
}

std::optional<std::string> judge_lock_waiters(std::optional<int> limit, const std::optional<count_sample>& last,
                                              time_point now) {
    if (!limit || !last || last->count <= *limit) {
        return std::nullopt;
    }
    return fmt::format("{} sessions wait for locks (limit {}){}", last->count, *limit, as_of(last->at, now));
}

std::optional<std::string> judge_commit(std::optional<milliseconds> limit, const std::optional<commit_sample>& last,
                                        time_point now) {
    if (!limit || !last) {
        return std::nullopt;
    }
    if (!last->failure.empty()) {
        return "a small commit failed: " + last->failure;
    }
    if (last->took <= *limit) {
        return std::nullopt;
    }
    return fmt::format("a small commit took {} (limit {}){}", format_duration(last->took), format_duration(*limit),
                       as_of(last->at, now));
}

void wal_pressure::add(time_point at, std::int64_t position, std::int64_t requested, milliseconds checkpoint_warning) {
    marks_.push_back(mark{at, position});
    while (marks_.size() > 2 && marks_[1].at <= at - averaged_over) {
        marks_.pop_front();
    }
    if (requested_ && requested > *requested_) {
        const bool crowded =
            requested > *requested_ + 1 || (last_checkpoint_ && at - *last_checkpoint_ < checkpoint_warning);
        if (crowded && checkpoint_warning > milliseconds(0)) {
            crowded_until_ = at + checkpoint_warning;
        }
        last_checkpoint_ = at;
    }
    requested_ = requested;
}

void wal_pressure::forget() { *this = wal_pressure(); }

std::optional<double> wal_pressure::rate() const {
    if (marks_.size() < 2) {
        return std::nullopt;
    }
    const std::chrono::duration<double> span = marks_.back().at - marks_.front().at;
    return static_cast<double>(marks_.back().position - marks_.front().position) / std::max(span.count(), 1e-3);
}

std::optional<std::string> wal_pressure::judge(std::optional<std::int64_t> limit, time_point now) const {
    if (!limit) {
        return std::nullopt;
    }
    const auto bytes = rate();
    if (bytes && *bytes > static_cast<double>(*limit)) {
        return fmt::format("the server writes {}/s of WAL (limit {}/s){}",
                           format_size(static_cast<std::int64_t>(*bytes)), format_size(*limit),
                           as_of(marks_.back().at, now));
    }
    if (crowded_until_ && now < *crowded_until_) {
        return "checkpoints follow one another too closely (checkpoint_warning); max_wal_size may be too small";
    }
    return std::nullopt;
}

std::optional<std::string> critical_watch::seen(std::optional<int> limit, milliseconds grace, int active,
                                                time_point at) {
    if (!limit || active <= *limit) {
        since_.reset();
        return std::nullopt;
    }
    if (!since_) {
        since_ = at;
        if (grace > milliseconds(0)) {
            return std::nullopt;
        }
    }
    if (at - *since_ < grace) {
        return std::nullopt;
    }
    return fmt::format("{} active sessions, more than --critical-load allows ({}), for {}", active, *limit,
                       format_duration(std::chrono::duration_cast<milliseconds>(at - *since_)));
}

}  // namespace pgeist::throttle
