#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"

/// Some of SQL's syntax names no operator: JOIN … USING, IS DISTINCT FROM, NULLIF, CASE x WHEN y. Where the server
/// reads text of a stored tree again, it looks the operator up by the search_path of that moment. So the text is read
/// with the operators' schemas in the path, and what it uses then is compared with what the tree used before.
namespace pgeist::catalog {

/// What a stored tree (pg_node_tree) names by OID.
struct used_operators {
    std::vector<std::string> oids;  ///< in the tree's order: o operators, f functions, c collations, as in `o96`
    operator_schemas schemas;       ///< of the operators
};

/// Whether one of used_operators::oids is of a user's operator or function.
[[nodiscard]] bool is_of_users(const std::string& oid);

/// SQL for the text of a stored tree, by the names of what holds it; read with search_path = pg_catalog.
namespace trees {
[[nodiscard]] std::string of_view(const qualified_name& view);
[[nodiscard]] std::string of_rule(const qualified_name& table, const std::string& rule);
[[nodiscard]] std::string of_policy(const qualified_name& table, const std::string& policy);
[[nodiscard]] std::string of_default(const qualified_name& table, const std::string& column);
[[nodiscard]] std::string of_trigger(const qualified_name& table, const std::string& trigger);
/// Body and defaults of the arguments. `signature` is as regprocedure prints it.
[[nodiscard]] std::string of_function(const std::string& signature);
[[nodiscard]] std::string of_constraint(const qualified_name& table, const std::string& constraint);
/// Expressions and predicate.
[[nodiscard]] std::string of_index(const qualified_name& index);
}  // namespace trees

/// SQL for used_operators::oids of the tree that `tree` is an expression for.
[[nodiscard]] std::string used_operators_sql(const std::string& tree);
/// Of functions that are made anew the OIDs say nothing.
enum class made_anew { no, some };

/// SQL that is true while the operators of `tree`, and those of its functions that are the users' own, are those of
/// `wanted`: one that was made meanwhile under the name of another may fit its arguments better. Where functions are
/// made anew, there must only be no more of them.
[[nodiscard]] std::string same_operators_sql(const std::string& tree, const used_operators& wanted,
                                             made_anew functions = made_anew::no);

/// SQL that is true when the text of `tree`, read again with search_path = pg_catalog, may be taken to mean another
/// function though it names schemas: one of that name that fits the arguments better can be made beside a function
/// with polymorphic arguments, with VARIADIC ones or with defaults.
[[nodiscard]] std::string open_functions_sql(const std::string& tree);

/// SQL: whether the tree calls nothing but IMMUTABLE functions of the server itself, on the server's own types: then
/// what it gives depends on its arguments alone, whatever the session's settings are. (Those of others may look names
/// up.)
[[nodiscard]] std::string built_in_sql(const std::string& tree);

[[nodiscard]] awaitable<used_operators> read_operators(pg::connection& conn, std::string tree);

/// What text read again must not use otherwise than the tree it was printed from: OIDs of `after` that `before` has
/// not, and those of the user's operators and functions that are not in the same order. Built-in ones may become fewer:
/// the parser folds `- 1` into a constant. Empty: the same.
[[nodiscard]] std::vector<std::string> other_operators(const used_operators& before, const used_operators& after);

/// The OIDs of used_operators in words: `operator public.=(public.citext,public.citext)`.
[[nodiscard]] awaitable<std::string> operator_names(pg::connection& conn, std::vector<std::string> oids);

/// Roles that are neither superusers nor owners of the schema, the database or the table, and have made operators
/// there, or functions that have the name of a built-in one.
[[nodiscard]] awaitable<std::vector<std::string>> strangers_in(pg::connection& conn, std::string schema,
                                                               std::string table_owner);

}  // namespace pgeist::catalog
