#pragma once

#include <cstdint>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::supervise {

/// Takes a job back, phase by phase from the last to the first, or removes what is left of one that is done. Needs no
/// plan. `hold` takes the job's lock. Locks: as the phases' undo.
/// @throws error (already_running) when somebody works on the job, or takes it on after the hold was lost: then nothing
/// more is removed
[[nodiscard]] awaitable<void> clean_job(pg::pool& pool, job::advisory_locks& hold, const task::kind& kind,
                                        std::int64_t job, report::observer& observer);

/// Drops schema pgeist when no job is left in it.
[[nodiscard]] awaitable<void> clean_state(pg::pool& pool);

}  // namespace pgeist::supervise
