#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::rewrite {

/// The table is copied into a shadow of the new definition, kept in step, compared, and exchanged.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::rewrite
