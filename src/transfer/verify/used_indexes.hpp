#pragma once

#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::verify {

/// The indexes of `table` that a plan reads, as EXPLAIN (FORMAT JSON, VERBOSE) tells it; each once, in their order
/// there.
[[nodiscard]] std::vector<std::string> indexes_in_plan(const std::string& explained, const qualified_name& table);

/// Asks the server by which of the table's indexes it finds rows in `sql`. Sends the statement to be planned only.
[[nodiscard]] awaitable<std::vector<std::string>> used_indexes(pg::connection& session, std::string sql,
                                                               pg::parameters values, qualified_name table);

}  // namespace pgeist::verify
