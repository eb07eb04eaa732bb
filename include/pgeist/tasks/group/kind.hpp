#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::group {

/// In the row of the job that leads.
inline constexpr const char* kind_name = "group";

/// Several tables are copied side by side, each as a rewrite does it, and exchanged in one transaction, or none of
/// them. The job of the first one is of this kind and leads; those of the others are rewrites.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::group
