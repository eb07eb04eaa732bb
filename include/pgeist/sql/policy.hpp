#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Row security and security labels. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// CREATE POLICY with its comment. Where its expressions read the table `of` itself, they read `target` instead.
[[nodiscard]] statements create_policy(const catalog::table& of, const catalog::policy& each,
                                       const qualified_name& target);

/// SECURITY LABEL on the table and its columns.
[[nodiscard]] statements security_labels(const catalog::table& of, const qualified_name& target);

/// ENABLE and FORCE ROW LEVEL SECURITY as `of` has them.
[[nodiscard]] statements row_security(const catalog::table& of, const qualified_name& target);

}  // namespace pgeist::sql
