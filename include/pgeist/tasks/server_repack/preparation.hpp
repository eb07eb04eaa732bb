#pragma once

#include <string>
#include <vector>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/server_repack.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/steps/step.hpp"

namespace pgeist::server_repack {

/// What would be done.
struct intention {
    qualified_name table;
    std::int64_t table_oid = 0;
    std::int64_t file = 0;  ///< relfilenode
    plan::server_repack how;
    steps::step step;
};

/// Changes nothing. Locks: none. @throws error (refused) before PostgreSQL 19, or where there is no such table
[[nodiscard]] awaitable<intention> consider(pg::connection& session, plan::change_request change);

/// @throws error (refused) naming what the server would refuse
void require_possible(const intention& what);

/// Makes the job of it, in the transaction that is open: the table's lock is taken on `hold`.
/// @throws error (already_running) when another run holds the table
[[nodiscard]] awaitable<job::tenure> make_job(pg::connection& session, job::advisory_locks& hold,
                                              plan::change_request change, const intention& what, run::settings chosen);

/// What to know before it is begun, for people.
[[nodiscard]] std::string warning(const intention& what);

}  // namespace pgeist::server_repack
