#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Tables: columns, constraints, identity, storage, comments. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// CREATE TABLE `target` with the columns, defaults and storage of `source`; no identity, no checks, no index.
[[nodiscard]] pg::statement create_table(const catalog::table& source, const qualified_name& target);

/// The dimensions that array columns were declared with; LIKE forgets them.
[[nodiscard]] statements declared_dimensions(const catalog::table& source, const qualified_name& target);

/// What else LIKE leaves out: statistics targets, options, comments on the table and its row type.
[[nodiscard]] statements column_details(const catalog::table& source, const qualified_name& target);

/// Checks and not-null constraints of `source` that `found` (what LIKE made of them) lacks or has otherwise.
[[nodiscard]] statements constraint_corrections(const catalog::table& source, const catalog::table& found,
                                                const qualified_name& target);

/// The identity of a column, with a sequence of the same name and options in the target's schema.
[[nodiscard]] statements add_identity(const catalog::table& source, const catalog::sequence& from,
                                      const qualified_name& target);

/// `"fillfactor" = '70', …`: the parameters of pg_class.reloptions as SQL.
[[nodiscard]] std::string option_list(const std::vector<std::string>& options);

/// ` WITH (…)` with the storage parameters of a table or materialized view and of its TOAST table; empty: none.
[[nodiscard]] std::string storage_parameters(const catalog::table& source);

/// Check or not-null constraint with its comment.
[[nodiscard]] statements add_constraint(const catalog::constraint& each, const qualified_name& target);

/// ` USING heap WITH (…) TABLESPACE …` of CREATE TABLE.
[[nodiscard]] std::string storage_clauses(const catalog::table& source);

/// `COMMENT ON object IS …`.
[[nodiscard]] pg::statement comment_on(const std::string& object, const std::string& text);

/// `sql`, run where the operators of an expression in it are found (see catalog::operator_schemas).
[[nodiscard]] std::string with_operators(const catalog::operator_schemas& schemas, std::string sql);

}  // namespace pgeist::sql
