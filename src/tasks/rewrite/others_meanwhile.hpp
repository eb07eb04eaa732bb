#pragma once

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/revert_plan.hpp"

namespace pgeist::rewrite {

/// The table in use is looked at for the first time when its swap is committed: a moment later, or days, where nobody
/// has gone on with the job. What others have put on it, or changed, in between is theirs: it is taken out of what
/// `back` says of the table. `swapped`: the plan of that swap, which has seen under its lock that the definition is the
/// planned one. To be called behind that look.
[[nodiscard]] awaitable<void> leave_out_what_others_did(pg::connection& session, const plan::blueprint& swapped,
                                                        plan::revert_plan& back);

}  // namespace pgeist::rewrite
