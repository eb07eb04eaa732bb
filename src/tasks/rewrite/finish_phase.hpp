#pragma once

#include "pgeist/build/workspace.hpp"
#include "pgeist/plan/revert_plan.hpp"

namespace pgeist::rewrite {

/// After the swap: validates foreign keys (SHARE UPDATE EXCLUSIVE under lock_timeout with retries), removes the change
/// log and, with --drop-old, the old table. Every step may be repeated. Stores what the table is
/// now, by which a second run of the same change finds it done. @throws error (lock_not_obtained), or error (failed)
/// that names the step
[[nodiscard]] awaitable<void> finish(build::workspace& work, plan::revert_plan* back);

}  // namespace pgeist::rewrite
