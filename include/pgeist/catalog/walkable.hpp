#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"

namespace pgeist::catalog {

/// The columns of `each` that make its key: INCLUDE columns left out.
[[nodiscard]] std::vector<index_column> key_columns(const index& each);

/// Why rows of `of` cannot be walked by its index `each`; empty when they can.
[[nodiscard]] std::string not_walkable_reason(const table& of, const index& each);

}  // namespace pgeist::catalog
