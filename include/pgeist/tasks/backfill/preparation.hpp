#pragma once

#include <cstdint>
#include <string>

#include "pgeist/fill/planner.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/settings/settings.hpp"

namespace pgeist::backfill {

/// What looking at the table gave.
struct preparation {
    std::int64_t job = 0;
    fill::planned plan;
};

/// Finds the table and plans the fill, all in the transaction that is open on `session`. With `hold` the table's lock
/// is taken first and the job is recorded, ready for its first phase; without (plan) neither, and the caller rolls
/// back. Locks: ACCESS SHARE on the table.
/// @throws error (already_running) when another run holds the table; error (refused) when the request is not valid
[[nodiscard]] awaitable<preparation> prepare(pg::connection& session, job::advisory_locks* hold, fill::request asked,
                                             run::settings chosen);

}  // namespace pgeist::backfill
