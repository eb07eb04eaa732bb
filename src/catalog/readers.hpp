#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/inquiry.hpp"

/// One reader for each kind of thing that read_table() puts together. All read the catalogs only, without locks, with
/// search_path = pg_catalog, so that every name in a definition comes back qualified.
namespace pgeist::catalog {

[[nodiscard]] awaitable<std::vector<column>> read_columns(pg::inquiry& ask, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<index>> read_indexes(pg::inquiry& ask, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<constraint>> read_constraints(pg::inquiry& ask, std::int64_t table_oid);
/// The tables that it is a partition of or inherits from.
[[nodiscard]] awaitable<std::vector<parent>> read_parents(pg::inquiry& ask, std::int64_t table_oid);
/// Which foreign keys: the table's own, those of other tables that refer to it, those that it has because its
/// partitioned parent has them, and those that refer to one of its partitioned ancestors.
enum class foreign_keys_of { own, incoming, parent, ancestors_incoming };
[[nodiscard]] awaitable<std::vector<foreign_key>> read_foreign_keys(pg::inquiry& ask, std::int64_t table_oid,
                                                                    foreign_keys_of which);
/// Fills `triggers`, `inherited_triggers` and `pgeist_triggers`.
[[nodiscard]] awaitable<void> read_triggers(pg::inquiry& ask, table& into);
[[nodiscard]] awaitable<std::vector<sequence>> read_sequences(pg::inquiry& ask, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<policy>> read_policies(pg::inquiry& ask, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<statistics>> read_statistics(pg::inquiry& ask, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<publication>> read_publications(pg::inquiry& ask, std::int64_t table_oid);
[[nodiscard]] awaitable<std::vector<rule>> read_rules(pg::inquiry& ask, std::int64_t table_oid);
/// Of the table and its columns.
[[nodiscard]] awaitable<std::vector<security_label>> read_security_labels(pg::inquiry& ask, std::int64_t table_oid);
/// Fills `bound` and `dependents`.
[[nodiscard]] awaitable<void> read_dependents(pg::inquiry& ask, table& into);

/// Reads the JSON that access_list_sql() makes.
[[nodiscard]] access_list parse_access_list(const std::string& json);
/// SQL that turns the ACL column `acl` into JSON. `implied` is what NULL in it means.
[[nodiscard]] std::string access_list_sql(const std::string& acl, const std::string& implied);
/// SQL for the name of the extension that the object `oid` of the catalog `catalog` belongs to; empty for none.
[[nodiscard]] std::string extension_sql(const std::string& catalog, const std::string& oid);
/// SQL for the operator_schemas of the pg_node_tree `tree` (any text of trees; NULL has none).
[[nodiscard]] std::string operator_schemas_sql(const std::string& tree);
/// SQL for the names of the extensions that the object DEPENDS ON; `catalog` is 'pg_class', `oid` an expression.
[[nodiscard]] std::string extensions_sql(const std::string& catalog, const std::string& oid);
/// A one-character catalog column; 0 when it is NULL, empty or a blank.
[[nodiscard]] char read_char(const pg::result& rows, int row, const char* name);

}  // namespace pgeist::catalog
