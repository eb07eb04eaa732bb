#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Triggers. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// Trigger `each` of the table `of`, made on `target`, with its state and comment.
[[nodiscard]] statements create_trigger(const catalog::table& of, const catalog::trigger& each,
                                        const qualified_name& target);

/// The letters of pg_trigger.tgenabled and pg_rewrite.ev_enabled: ENABLE, DISABLE, ENABLE ALWAYS …
[[nodiscard]] std::string state_sql(char enabled);

}  // namespace pgeist::sql
