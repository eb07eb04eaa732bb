#pragma once

#include <optional>
#include <string>

#include "pgeist/lock/schedule.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::lock {

/// Runs `sql`, one statement or several in one transaction, outside any other, under short lock_timeouts until it
/// succeeds or the attempts are used up. @returns nothing when it is done, else what was in the way last
/// @throws pg::sql_error for everything but a lock not obtained
[[nodiscard]] awaitable<std::optional<pg::sql_error>> politely(pg::connection& session, std::string sql, policy rules);

}  // namespace pgeist::lock
