#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Rules. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// Rule `each` of the table `of`, made on `target`, with its state and comment.
[[nodiscard]] statements create_rule(const catalog::table& of, const catalog::rule& each, const qualified_name& target);

}  // namespace pgeist::sql
