#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::expand {

/// In the job's row.
inline constexpr const char* kind_name = "expand";

/// Columns are added, kept in step with old ones, and filled; the old ones go when `pgeist contract` says so.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::expand
