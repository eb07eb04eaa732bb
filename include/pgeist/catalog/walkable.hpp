#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"

namespace pgeist::catalog {

/// The columns of `each` that make its key: INCLUDE columns left out.
[[nodiscard]] std::vector<index_column> key_columns(const index& each);

/// Whether no row has NULL there. From 18 on a column may be marked NOT NULL by a constraint that is not valid: rows of
/// before it may have NULL all the same.
[[nodiscard]] bool is_never_null(const table& of, int attnum);

/// Why rows of `of` cannot be walked by its index `each`; empty when they can.
[[nodiscard]] std::string not_walkable_reason(const table& of, const index& each);

}  // namespace pgeist::catalog
