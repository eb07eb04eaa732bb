#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::native {

inline constexpr const char* kind_name = "native";

/// The change is made where the table is, step by step.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::native
