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

/// Notes, once, what the swap has made of the table in use, before anything else is done: whatever is there besides,
/// later, is others'. `back` is stored with the job.
[[nodiscard]] awaitable<void> note_in_use(build::workspace& work, pg::connection& session, plan::revert_plan& back);

/// Makes the table that was replaced ready to be kept in step: it is from here on that the way back is watched. May be
/// repeated, after note_in_use(). `back` is completed, and stored with the job.
[[nodiscard]] awaitable<void> open_way_back(build::workspace& work, pg::connection& session, plan::revert_plan& back);

/// What the table is now: a second run of the same change finds it and does nothing.
[[nodiscard]] awaitable<void> note_result(build::workspace& work, pg::connection& session);

}  // namespace pgeist::rewrite
