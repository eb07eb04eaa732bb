#pragma once

#include <vector>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/group_request.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::group {

/// What becomes of a group: its kind of work, and that of the jobs that are led.
enum class purpose { exchange, rehearsal };

/// As rewrite::prepare(), for several tables that are to change places in one transaction: all shadows are made in the
/// transaction that is open, and what lies between two members is planned once. Without `hold`, for a plan, no job is
/// recorded. The first member's job leads; all others get its number as `pgeist.jobs.group_id`.
/// @returns one for each member, in the order of `what`; no blueprint in any of them when a check refuses
/// @throws error (already_running) when another run holds a table; error (refused) when a change is not valid
[[nodiscard]] awaitable<std::vector<rewrite::preparation>> prepare(pg::connection& session, job::advisory_locks* hold,
                                                                   plan::group_request what, run::settings chosen,
                                                                   purpose aim = purpose::exchange);

}  // namespace pgeist::group
