#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::catalog {

/// The columns of `each` that make its key: INCLUDE columns left out.
[[nodiscard]] std::vector<index_column> key_columns(const index& each);

/// Whether no row has NULL there. From 18 on a column may be marked NOT NULL by a constraint that is not valid: rows of
/// before it may have NULL all the same.
[[nodiscard]] bool is_never_null(const table& of, int attnum);

/// Why rows of `of` cannot be walked by its index `each`; empty when they can.
[[nodiscard]] std::string not_walkable_reason(const table& of, const index& each);

/// Why rows may be lost or confused by walking an index that not_walkable_reason() has nothing against: its collation
/// sorts by other rules than when it was built, or its = is not the one that DISTINCT and joins use. Empty when neither
/// is so.
[[nodiscard]] awaitable<std::string> unreliable_reason(pg::connection& conn, const table& of, const index& each);

}  // namespace pgeist::catalog
