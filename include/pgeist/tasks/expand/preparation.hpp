#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

/// What looking at the table gave.
struct preparation {
    std::int64_t job = 0;
    expand::spec plan;
    std::vector<std::string> warnings;
};

/// Finds the table, checks the request on an empty stand-in, and records the job with its own schema, function and
/// counter; nothing is done to the table. All in the transaction that is open on `session`. With `hold` the table's
/// lock is taken first; without, the caller rolls back. Locks: ACCESS SHARE on the table.
/// @throws error (already_running) when another run holds the table; error (refused) when the request is not valid
[[nodiscard]] awaitable<preparation> prepare(pg::connection& session, job::advisory_locks* hold, request asked,
                                             run::settings chosen);

}  // namespace pgeist::expand
