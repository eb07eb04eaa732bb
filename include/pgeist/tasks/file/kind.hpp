#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::file {

/// The statements of a migration file, step by step.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::file
