#pragma once

#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/revert_plan.hpp"
#include "pgeist/target/build_context.hpp"

// Comments say nothing that the way there or back changes: those that people have set since go with the table in use.
namespace pgeist::way_back {

/// Leads the comments that were set, or taken away, on the table in use since it came there to `before`, the table that
/// waits as it is to be, where that has the same part. Those of parts that only the table in use has stay with that.
[[nodiscard]] awaitable<void> lead_comments(target::build_context& at, const plan::revert_plan& now,
                                            catalog::table& before);

/// Plans what gives the table that waits the comments of `before`, whatever it has been given meanwhile. Parts that the
/// swap makes again bring theirs. To be added after all that moves these parts.
[[nodiscard]] awaitable<void> plan_comments(target::build_context& at, const catalog::table& before,
                                            plan::blueprint& into);

}  // namespace pgeist::way_back
