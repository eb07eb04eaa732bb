#pragma once

#include <string>
#include <vector>

#include "pgeist/build/workspace.hpp"
#include "pgeist/plan/revert_plan.hpp"

namespace pgeist::rewrite {

/// Runs statements of the time after a swap, each as soon as the lock it needs can be had.
/// @throws error (failed, lock_not_obtained) that says that the table has its new definition
[[nodiscard]] awaitable<void> run_finish_steps(build::workspace& work, pg::connection& session,
                                               std::vector<plan::statement> steps);

/// Makes the table that was replaced ready to be kept in step, and notes what the one in use is now: it is from here on
/// that the way back is watched. May be repeated. `back` is completed, and stored with the job.
[[nodiscard]] awaitable<void> open_way_back(build::workspace& work, pg::connection& session, plan::revert_plan& back);

/// What the table is now: a second run of the same change finds it and does nothing.
[[nodiscard]] awaitable<void> note_result(build::workspace& work, pg::connection& session);

}  // namespace pgeist::rewrite
