#pragma once

#include "pgeist/plan/blueprint.hpp"
#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::build {

/// What the phases of a run work with: what its transfer does, and the plan of which that is a part.
struct workspace : transfer::workspace {
    const plan::blueprint& plan;
};

}  // namespace pgeist::build
