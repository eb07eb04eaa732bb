#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Grants. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// What turns the rights `found` on an object into `wanted`. `object` is `TABLE x`, `SEQUENCE x` or `TYPE x`; `column`,
/// if not empty, is one of the table's. Rights of `owner` are taken away only if `owners_too`: without them nobody
/// could fill the table. What was granted by somebody else than the owner is granted as that role again.
[[nodiscard]] statements change_rights(const std::string& object, const std::string& column,
                                       const catalog::access_list& wanted, const catalog::access_list& found,
                                       const std::string& owner, bool owners_too);

/// What gives a newly made object the rights `wanted`, whatever default privileges gave it. `strangers`: the roles that
/// default privileges name; `implied`: what an object of `owner` has without them.
[[nodiscard]] statements rights_of_new(const std::string& object, const catalog::access_list& wanted,
                                       const catalog::access_list& implied, const std::string& owner,
                                       const std::vector<std::string>& strangers);

}  // namespace pgeist::sql
