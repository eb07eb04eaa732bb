#pragma once

#include <vector>

#include "pgeist/pg/statement.hpp"

namespace pgeist::sql {

using statements = std::vector<pg::statement>;

}  // namespace pgeist::sql
