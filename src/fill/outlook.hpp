#pragma once

#include "pgeist/fill/planner.hpp"

namespace pgeist::fill {

/// Fills in `made.outlook`. In the transaction that is open; reads a sample of the rows for two seconds at most.
[[nodiscard]] awaitable<void> look_ahead(pg::connection& session, const catalog::table& source, planned& made);

/// Estimates, and whether the copy is to be recommended, from what is known of a fill: pure.
void judge(planned& made, const catalog::table& source);

}  // namespace pgeist::fill
