#pragma once

#include "pgeist/target/build_context.hpp"

namespace pgeist::dependents {

/// What the swap does with objects elsewhere that hold the table by its OID: views, functions, policies of other
/// tables. @throws error (refused) naming the object that cannot be led to the new table
[[nodiscard]] awaitable<void> plan_bound_objects(target::build_context& at, const catalog::table& after,
                                                 plan::blueprint& into);

}  // namespace pgeist::dependents
