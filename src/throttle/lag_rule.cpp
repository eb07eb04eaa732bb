#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/throttle/replica_lag.hpp"
#include "pgeist/throttle/signal.hpp"

namespace pgeist::throttle {

namespace {

bool counts(const lag_limits& limits, const replica& one) {
    return limits.names.empty() || std::find(limits.names.begin(), limits.names.end(), one.name) != limits.names.end();
}

/// The replica of that name; one that is connected rather than one that is gone.
const replica* find(const lag_sample& sample, const std::string& name) {
    const replica* found = nullptr;
    for (const replica& one : sample.replicas) {
        if (one.name == name && (found == nullptr || found->gone)) {
            found = &one;
        }
    }
    return found;
}

std::optional<std::string> judge_one(const lag_limits& limits, const replica& one) {
    if (one.gone) {
        return fmt::format("replica {} has disconnected", one.name);
    }
    if ((limits.bytes && !one.bytes) || (limits.time && !one.time)) {
        return fmt::format("lag of replica {} unknown", one.name);
    }
    if (limits.bytes && *one.bytes > *limits.bytes) {
        return fmt::format("replica {} is {} behind (limit {})", one.name, format_size(*one.bytes),
                           format_size(*limits.bytes));
    }
    if (limits.time && *one.time > *limits.time) {
        return fmt::format("replica {} is {} behind (limit {})", one.name, format_duration(*one.time),
                           format_duration(*limits.time));
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> judge_lag(const lag_limits& limits, const std::optional<lag_sample>& last,
                                     clock::time_point now) {
    if (!limits.set()) {
        return std::nullopt;
    }
    if (!last) {
        return "replica lag not yet known";
    }
    if (now - last->at > stale_after) {
        const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - last->at);
        return fmt::format("replica lag unknown for {}", format_duration(age));
    }
    for (const std::string& name : limits.names) {
        const replica* found = find(*last, name);
        if (found == nullptr || found->gone) {
            return fmt::format("replica {} is not connected", name);
        }
    }
    for (const replica& one : last->replicas) {
        if (counts(limits, one)) {
            if (auto reason = judge_one(limits, one)) {
                return reason;
            }
        }
    }
    return std::nullopt;
}

}  // namespace pgeist::throttle
