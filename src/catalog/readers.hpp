#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"

/// One reader for each kind of thing that read_table() puts together. All read the catalogs only, without locks, with
/// search_path = pg_catalog, so that every name in a definition comes back qualified.
namespace pgeist::catalog {

[[nodiscard]] awaitable<std::vector<column>> read_columns(pg::connection& conn, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<index>> read_indexes(pg::connection& conn, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<constraint>> read_constraints(pg::connection& conn, std::int64_t table_oid);
/// Foreign keys of the table (`incoming` false) or those of other tables that refer to it.
[[nodiscard]] awaitable<std::vector<foreign_key>> read_foreign_keys(pg::connection& conn, std::int64_t table_oid,
                                                                    bool incoming);
/// Fills `triggers` and `pgeist_triggers`.
[[nodiscard]] awaitable<void> read_triggers(pg::connection& conn, table& into);
[[nodiscard]] awaitable<std::vector<sequence>> read_sequences(pg::connection& conn, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<policy>> read_policies(pg::connection& conn, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<statistics>> read_statistics(pg::connection& conn, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<publication>> read_publications(pg::connection& conn, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<rule>> read_rules(pg::connection& conn, std::int64_t table_oid);
/// Fills `bound` and `dependents`.
[[nodiscard]] awaitable<void> read_dependents(pg::connection& conn, table& into);

/// Reads the JSON that access_list_sql() makes.
[[nodiscard]] access_list parse_access_list(const std::string& json);
/// SQL that turns the ACL column `acl` into JSON. `implied` is what NULL in it means.
[[nodiscard]] std::string access_list_sql(const std::string& acl, const std::string& implied);
/// SQL for the operator_schemas of the pg_node_tree `tree` (any text of trees; NULL has none).
[[nodiscard]] std::string operator_schemas_sql(const std::string& tree);
/// SQL for the names of the extensions that the object DEPENDS ON; `catalog` is 'pg_class', `oid` an expression.
[[nodiscard]] std::string extensions_sql(const std::string& catalog, const std::string& oid);
/// A one-character catalog column; 0 when it is NULL, empty or a blank.
[[nodiscard]] char read_char(const pg::result& rows, int row, const char* name);

}  // namespace pgeist::catalog
