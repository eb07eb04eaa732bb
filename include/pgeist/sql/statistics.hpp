#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Extended statistics. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// Extended statistics `each` of the table `of`, made on `target` and in its schema.
[[nodiscard]] statements create_statistics(const catalog::table& of, const catalog::statistics& each,
                                           const qualified_name& target);

}  // namespace pgeist::sql
