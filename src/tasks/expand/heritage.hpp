#pragma once

#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

/// Statements that give what takes the names of old indexes and constraints what those have besides their definition:
/// comments, the CLUSTER mark, statistics targets of expressions; of statistics objects also name and owner. To be read
/// while the old ones are there, and run when the new ones have the names.
[[nodiscard]] awaitable<std::vector<std::string>> read_heritage(pg::connection& session, const spec& plan);

/// What DROP COLUMN takes along, and nothing takes the place of.
struct bequest {
    std::string label;  ///< `constraint apart`, `index i`, `statistics s`
    bool rule = false;  ///< a constraint that a RENAME of the columns would have kept
};
/// Indexes, constraints and statistics of the old columns that have no successor.
[[nodiscard]] awaitable<std::vector<bequest>> left_behind(pg::connection& session, const spec& plan);

}  // namespace pgeist::expand
