#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Foreign keys. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// ADD CONSTRAINT … FOREIGN KEY on `table`, with its comment and the state of its triggers. `validated` false adds it
/// NOT VALID.
[[nodiscard]] statements add_foreign_key(const catalog::foreign_key& key, const qualified_name& table,
                                         const qualified_name& referenced, bool validated);

}  // namespace pgeist::sql
