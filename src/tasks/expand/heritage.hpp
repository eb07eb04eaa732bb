#pragma once

#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

/// Statements that give what takes the names of old indexes and constraints what those have besides their definition:
/// comments, the CLUSTER mark, statistics targets of expressions. To be read while the old ones are there, and run when
/// the new ones have the names.
[[nodiscard]] awaitable<std::vector<std::string>> read_heritage(pg::connection& session, const spec& plan);

/// Indexes, constraints and statistics that DROP COLUMN takes along, and that nothing takes the place of; for people.
[[nodiscard]] awaitable<std::vector<std::string>> left_behind(pg::connection& session, const spec& plan);

}  // namespace pgeist::expand
