#pragma once

#include "pgeist/task/phase.hpp"

namespace pgeist::way_back {

/// Ends the way back and removes all that the job has: nothing is logged from the first moment on, by functions that do
/// nothing; then the triggers go, politely, and the table that waits with the rest.
[[nodiscard]] awaitable<void> end_way_back(task::undo_context& at);

}  // namespace pgeist::way_back
