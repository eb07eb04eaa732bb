#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::backfill {

/// Rows of a table are set, or deleted, where they are.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::backfill
