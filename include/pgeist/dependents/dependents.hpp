#pragma once

#include <vector>

#include "pgeist/target/build_context.hpp"

namespace pgeist::dependents {

/// Of tables that are exchanged together: those under whose views, directly or not, stands a common one have the first
/// of them lead all of these views over. To be called once, before plan_bound_objects() of any of them.
[[nodiscard]] awaitable<void> deal_out_views(std::vector<target::build_context*> all);

/// What the swap does with objects elsewhere that hold the table by its OID: views, functions, policies of other
/// tables. @throws error (refused) naming the object that cannot be led to the new table
[[nodiscard]] awaitable<void> plan_bound_objects(target::build_context& at, const catalog::table& after,
                                                 plan::blueprint& into);

/// What plan::led_text::asked gives now; empty: there is no such object any more. To be run in a transaction.
[[nodiscard]] awaitable<std::string> text_now(pg::connection& session, std::string asked);

}  // namespace pgeist::dependents
