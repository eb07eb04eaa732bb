#pragma once

#include <chrono>
#include <cstdint>

#include "pgeist/plan/blueprint.hpp"

namespace pgeist::plan {

/// What a run needs, roughly: right within a factor of two or three on common hardware without throttling.
struct estimate {
    std::chrono::milliseconds time{0};
    std::int64_t space_bytes = 0;  ///< while both tables exist
};

[[nodiscard]] estimate estimate_of(const blueprint& plan);

}  // namespace pgeist::plan
