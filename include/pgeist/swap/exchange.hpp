#pragma once

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"

namespace pgeist::swap {

/// Makes the function that turns late writers away from the replaced table (triggers/replaced_function.sql), so that
/// only its triggers are left for exchange(). May be repeated. No lock on the source.
[[nodiscard]] std::string wall_function_sql(const plan::blueprint& plan);

/// Puts the shadow in the source's place, re-attaches everything, and lets nobody write into the old table any more. To
/// be run in the transaction that holds ACCESS EXCLUSIVE on the source, when the shadow is complete.
/// @throws pg::sql_error whose message begins with the label of the statement that failed
[[nodiscard]] awaitable<void> exchange(pg::connection& session, const plan::blueprint& plan);

}  // namespace pgeist::swap
