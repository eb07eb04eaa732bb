#pragma once

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"

namespace pgeist::swap {

/// By this setting a session of the job's own shows that it may write into the table that waits.
inline constexpr const char* pass_setting = "pgeist.pass";

/// On a table that comes back: nobody is turned away from it any more.
[[nodiscard]] std::string drop_wall_sql(const qualified_name& table);

/// Makes the function that turns late writers away from the replaced table (triggers/replaced_function.sql), so that
/// only its triggers are left for exchange(). May be repeated. No lock on the source. `owner` is
/// capture::owner_of_job().
[[nodiscard]] std::string wall_function_sql(const plan::blueprint& plan, const std::string& owner);

/// Makes the triggers that call it, on `old`: exchange() does that for the replaced table, at its end.
[[nodiscard]] std::string wall_sql(const plan::blueprint& plan, const qualified_name& old);

/// The swap, whole: what the plan says, and what every swap does. `transfer`: the one that ends with it.
[[nodiscard]] plan::swap_plan all_steps(const plan::blueprint& plan, const transfer::spec& transfer);

/// Puts the shadow in the source's place, re-attaches everything, and lets nobody write into the old table any more: by
/// all_steps() of the table, or those of several tables merged. To be run in the transaction that holds ACCESS
/// EXCLUSIVE on the sources, when the shadows are complete.
/// @throws pg::sql_error whose message begins with the label of the statement that failed
[[nodiscard]] awaitable<void> exchange(pg::connection& session, plan::swap_plan swap);

}  // namespace pgeist::swap
