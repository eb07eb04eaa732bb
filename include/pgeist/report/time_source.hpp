#pragma once

#include <chrono>
#include <functional>

namespace pgeist::report {

using steady = std::chrono::steady_clock;
using wall = std::chrono::system_clock;

/// Where observers take the time from; tests bring their own.
struct time_source {
    std::function<steady::time_point()> now = [] { return steady::now(); };
    std::function<wall::time_point()> today = [] { return wall::now(); };
};

}  // namespace pgeist::report
