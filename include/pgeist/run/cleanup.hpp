#pragma once

#include <cstdint>

#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::run {

/// The job has swapped, and what is left to do stands in rows that may not be executed with these rights.
class not_finished : public error {
public:
    using error::error;
};

/// Removes everything a job left: triggers (under ACCESS EXCLUSIVE on the source, by the polite protocol), both schemas
/// with shadow or old table, the job's row. Needs no blueprint. `hold` takes the job's lock, and the table's if it has
/// triggers.
/// Where the state is somebody else's, nothing that stands in it is executed, and schemas go only if they belong to the
/// state's owner, the table's or this role.
/// @throws not_finished (refused), and error (refused) for such schemas; error (already_running) when somebody works on
/// the job, or takes it on after the hold was lost: then nothing more is removed
[[nodiscard]] awaitable<void> clean_job(pg::pool& pool, job::advisory_locks& hold, std::int64_t job,
                                        report::observer& observer);

/// Drops schema pgeist when no job is left in it.
[[nodiscard]] awaitable<void> clean_state(pg::pool& pool);

}  // namespace pgeist::run
