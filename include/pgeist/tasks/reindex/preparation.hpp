#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/steps/step.hpp"
#include "pgeist/tasks/reindex/request.hpp"

namespace pgeist::reindex {

/// What would be rebuilt, and what not.
struct intention {
    qualified_name table;
    std::int64_t table_oid = 0;
    std::vector<steps::step> steps;     ///< one an index
    std::int64_t index_bytes = 0;       ///< of these, as they are
    std::vector<std::string> warnings;  ///< what is left as it is, by name, and why
};

/// Reads the table and its indexes. Changes nothing. Locks: none.
/// @throws error (refused) when the table, or an index of that name, is not there, when one that was asked for cannot
/// be rebuilt CONCURRENTLY, or on PostgreSQL 14.0 to 14.3
[[nodiscard]] awaitable<intention> consider(pg::connection& session, request what);

/// Makes the job of it, in the transaction that is open: the table's lock is taken on `hold`, its steps are stored.
/// @throws error (already_running) when another run holds the table; (refused) as consider()
[[nodiscard]] awaitable<job::tenure> make_job(pg::connection& session, job::advisory_locks& hold, request what,
                                              const intention& how, run::settings chosen);

}  // namespace pgeist::reindex
