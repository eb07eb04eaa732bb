#pragma once

#include "pgeist/task/phase.hpp"

namespace pgeist::expand {

/// Before contract: takes trigger and new columns away, and gives the old ones their names back. After it: what is left
/// of the job. Locks: ACCESS EXCLUSIVE on the table, by the polite protocol.
/// @throws error (refused) when something depends on a new column; error (lock_not_obtained)
[[nodiscard]] awaitable<void> take_back(task::undo_context& at);

}  // namespace pgeist::expand
