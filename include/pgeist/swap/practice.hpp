#pragma once

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"

namespace pgeist::swap {

/// Does on two empty tables in the job's schema what the exchange will do, and takes it back: what a session does for
/// the first time takes the server two to three times as long as the next time, and would be done under the lock.
/// Takes no lock on anything of the user's. What fails in it fails in the swap, too, which says so, or does not matter.
/// @throws pg::sql_error when the connection is lost
[[nodiscard]] awaitable<void> practise(pg::connection& session, const plan::blueprint& plan);

}  // namespace pgeist::swap
