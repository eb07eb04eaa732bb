#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/check/finding.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/change_request.hpp"

namespace pgeist::check {

/// Runs every preflight check and reports all findings at once, in a fixed order. `found` is what find_table() gave for
/// the table of `change`; `source` is its description when it is a table (read_table() works on nothing else). Must be
/// called in a transaction. Takes no lock of its own; changes nothing.
/// @throws pg::sql_error only when the connection is lost or a check itself is broken
[[nodiscard]] awaitable<std::vector<finding>> run_preflight(pg::connection& conn,
                                                            std::optional<catalog::relation> found,
                                                            const catalog::table* source,
                                                            const plan::change_request& change, std::int64_t job);

}  // namespace pgeist::check
