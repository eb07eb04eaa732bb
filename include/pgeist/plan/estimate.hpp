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

/// The same, phase by phase; those that are not here take no time of their own.
struct phase_estimate {
    std::chrono::milliseconds copy{0};
    std::chrono::milliseconds key{0};
    std::chrono::milliseconds build{0};
    std::chrono::milliseconds verify{0};
};

[[nodiscard]] phase_estimate estimate_of_phases(const blueprint& plan);

[[nodiscard]] estimate estimate_of(const blueprint& plan);

}  // namespace pgeist::plan
