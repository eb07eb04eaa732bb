#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::native {

inline constexpr const char* kind_name = "native";

/// For task::phase::undo of a job with steps: takes back what is unfinished, and removes the job's row. What is done
/// stays.
[[nodiscard]] awaitable<void> undo_steps(task::undo_context& at);

/// The change is made where the table is, step by step.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::native
