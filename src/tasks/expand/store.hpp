#pragma once

#include <cstdint>

#include "pgeist/pg/connection.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

/// Stores the plan, and makes the trigger's function what the plan says now. In the transaction that is open; takes no
/// lock on the table.
[[nodiscard]] awaitable<void> store_with_function(pg::connection& session, std::int64_t job, const spec& plan);

}  // namespace pgeist::expand
