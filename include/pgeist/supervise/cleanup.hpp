#pragma once

#include <cstdint>

#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::supervise {

/// Takes a job back, phase by phase from the last to the first, or removes what is left of one that is done. Needs no
/// plan. `hold` takes the job's lock. Locks: as the phases' undo.
/// Where the state is somebody else's, nothing that stands in it is executed, and schemas go only if they belong to the
/// state's owner or the table's; see task::require_cleanable().
/// @throws error (refused) for other schemas, and for a job of somebody else's that is swapped and not finished; error
/// (lock_not_obtained) when there was no moment for a lock; error (already_running) when somebody works on the job, or
/// takes it on after the hold was lost: then nothing more is removed
[[nodiscard]] awaitable<void> clean_job(pg::pool& pool, job::advisory_locks& hold, const task::kind& kind,
                                        std::int64_t job, report::observer& observer);

/// Drops schema pgeist when no job is left in it. Locks: ACCESS EXCLUSIVE on its tables, waited for a few seconds;
/// tells when somebody keeps it from us for longer.
[[nodiscard]] awaitable<void> clean_state(pg::pool& pool, report::observer& observer);

}  // namespace pgeist::supervise
