#include "pgeist/throttle/gate.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

using std::chrono::milliseconds;

// How soon somebody who waits notices that it may go on, or that a limit has been changed.
constexpr milliseconds look_again{200};

milliseconds in_milliseconds(clock::duration time) { return std::chrono::duration_cast<milliseconds>(time); }

}  // namespace

gate::gate(const run::settings& chosen) : signals_(make_signals()) { configure(chosen); }

gate::~gate() = default;

void gate::configure(const run::settings& chosen) {
    nice_ = chosen.nice;
    bucket_.rate(chosen.max_rate);
    for (const auto& each : signals_) {
        each->configure(chosen);
    }
}

std::optional<std::string> gate::told_to_wait(clock::time_point now) const {
    if (paused_) {
        return paused_;
    }
    for (const auto& each : signals_) {
        if (auto reason = each->reason_to_wait(now)) {
            return reason;
        }
    }
    return std::nullopt;
}

std::optional<std::string> gate::reason() const {
    const auto now = clock::now();
    auto reason = told_to_wait(now);
    if (!reason && bucket_.wait(now) > clock::duration::zero()) {
        reason = fmt::format("limited to {} rows/s", format_count(*bucket_.rate()));
    }
    return reason;
}

std::optional<std::string> gate::reason_to_give_up() const {
    for (const auto& each : signals_) {
        if (auto reason = each->reason_to_give_up()) {
            return reason;
        }
    }
    return std::nullopt;
}

bool gate::holds_back() const { return told_to_wait(clock::now()).has_value(); }

signal::measured_lag gate::lag() const {
    signal::measured_lag most;
    for (const auto& each : signals_) {
        const auto one = each->lag();
        most.bytes = std::max(most.bytes, one.bytes);
        most.time = std::max(most.time, one.time);
    }
    return most;
}

awaitable<void> gate::pass(work last) {
    const auto begun = clock::now();
    bucket_.take(last.rows, begun);
    while (true) {
        const auto now = clock::now();
        milliseconds rest = nice_rest(last.time, nice_) - in_milliseconds(now - begun);
        rest = std::max(rest, in_milliseconds(bucket_.wait(now)));
        const bool waits = told_to_wait(now).has_value();
        if (!waits && rest <= milliseconds(0)) {
            break;
        }
        rest = waits ? look_again : std::min(rest, look_again);
        co_await pg::sleep_for(rest);
    }
}

awaitable<void> gate::pass_replay(work last) {
    const auto begun = clock::now();
    while (true) {
        const auto now = clock::now();
        const bool waits = told_to_wait(now).has_value();
        const milliseconds rest = replay_rest(last.time, nice_, waits) - in_milliseconds(now - begun);
        if (rest <= milliseconds(0)) {
            break;
        }
        const milliseconds part = std::min(rest, look_again);
        co_await pg::sleep_for(part);
    }
}

std::vector<std::string> gate::take_warnings() {
    std::vector<std::string> fresh(warned_.begin() + static_cast<std::ptrdiff_t>(warnings_taken_), warned_.end());
    warnings_taken_ = warned_.size();
    return fresh;
}

void gate::warn(const std::string& text) {
    if (!text.empty() && std::find(warned_.begin(), warned_.end(), text) == warned_.end()) {
        warned_.push_back(text);
    }
}

}  // namespace pgeist::throttle
