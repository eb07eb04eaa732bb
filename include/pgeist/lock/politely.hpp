#pragma once

#include <functional>
#include <optional>
#include <string>

#include "pgeist/lock/schedule.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::lock {

/// Runs `sql` in a transaction of its own, under short lock_timeouts, until it succeeds or the attempts are used up.
/// `first` comes before it in each attempt's transaction, and throws to end the attempts.
/// @returns nothing when it is done, else what was in the way last
/// @throws pg::sql_error for everything but a lock not obtained
[[nodiscard]] awaitable<std::optional<pg::sql_error>> politely(
    pg::connection& session, std::string sql, policy rules,
    std::function<awaitable<void>(pg::connection&)> first = nullptr);

}  // namespace pgeist::lock
