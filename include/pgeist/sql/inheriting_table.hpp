#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Tables that inherit from others. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// CREATE TABLE `target` as create_table() does, for a table that inherits from others: columns and constraints that
/// are not its own come from the table `column_parent`, made for that purpose and to be left when the parents are
/// joined.
[[nodiscard]] statements create_inheriting(const catalog::table& source, const qualified_name& column_parent,
                                           const qualified_name& target);

/// What create_inheriting() leaves out of what LIKE gives: the table's own constraints, comments.
[[nodiscard]] statements inheriting_details(const catalog::table& source, const catalog::table& found,
                                            const qualified_name& target);

}  // namespace pgeist::sql
