#pragma once

#include <functional>
#include <string>

#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

/// Waits, by the swap's protocol, for ACCESS EXCLUSIVE on the table, and runs `body` under it, in one transaction of
/// the tenure. @param follow options that may change meanwhile; null: the usual ones
/// @throws error (lock_not_obtained) naming who is in the way
[[nodiscard]] awaitable<void> run_locked(pg::pool& pool, pg::connection& session, qualified_name table,
                                         job::tenure mine, const run::settings* follow, report::observer& observer,
                                         std::function<awaitable<void>(pg::connection&)> body);

}  // namespace pgeist::expand
