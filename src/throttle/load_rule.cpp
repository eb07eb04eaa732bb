#include <cstdlib>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/throttle/load.hpp"
#include "pgeist/throttle/signal.hpp"

namespace pgeist::throttle {

namespace {

std::string sample_age(clock::time_point at, clock::time_point now) {
    return format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(now - at));
}

/// Zero in any notation, or false.
bool means_go(const std::string& value) {
    if (value == "f" || value == "false") {
        return true;
    }
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    return end != value.c_str() && *end == '\0' && number == 0;
}

}  // namespace

std::optional<std::string> judge_load(std::optional<int> limit, const std::optional<load_sample>& last,
                                      clock::time_point now) {
    if (!limit || !last || last->active <= *limit) {
        return std::nullopt;
    }
    std::string reason = fmt::format("{} active sessions (limit {})", last->active, *limit);
    if (now - last->at > stale_after) {
        reason += fmt::format(", as of {} ago", sample_age(last->at, now));
    }
    return reason;
}

std::optional<std::string> judge_query(const std::optional<query_sample>& last, clock::time_point now) {
    if (!last) {
        return "throttle query not yet answered";
    }
    if (!last->failure.empty()) {
        return "throttle query failed: " + last->failure;
    }
    if (now - last->at > stale_after) {
        return fmt::format("throttle query not answered for {}", sample_age(last->at, now));
    }
    if (!last->value) {
        return "throttle query returned nothing";
    }
    if (!means_go(*last->value)) {
        return "throttle query returned " + *last->value;
    }
    return std::nullopt;
}

}  // namespace pgeist::throttle
