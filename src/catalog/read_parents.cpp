#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* parents_sql = R"(
    SELECT p.oid, n.nspname, p.relname, p.relkind = 'p' AS partitioned, p.relkind = 'f' AS is_foreign, pg_has_role(p.relowner, 'USAGE') AS owned,
           i.inhdetachpending, pg_get_partkeydef(p.oid) AS partition_key, pg_get_expr(c.relpartbound, c.oid) AS bound,
           pg_get_partition_constraintdef(c.oid) AS partition_constraint,
           coalesce(d.oid, 0) AS default_oid, dn.nspname AS default_schema, d.relname AS default_name,
           d.relkind AS default_kind, coalesce(pg_has_role(d.relowner, 'USAGE'), true) AS default_owned
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
      JOIN pg_namespace n ON n.oid = p.relnamespace
      LEFT JOIN pg_partitioned_table k ON k.partrelid = p.oid
      LEFT JOIN pg_class d ON d.oid = k.partdefid AND d.oid <> c.oid
      LEFT JOIN pg_namespace dn ON dn.oid = d.relnamespace
     WHERE i.inhrelid = $1 ORDER BY i.inhseqno)";

}  // namespace

awaitable<std::vector<parent>> read_parents(pg::inquiry& ask, std::int64_t table_oid) {
    const auto rows = co_await ask.ask(parents_sql, table_oid);
    std::vector<parent> parents;
    for (int row = 0; row < rows.rows(); ++row) {
        parent each;
        each.oid = rows.integer(row, "oid");
        each.name.schema = rows.text(row, "nspname");
        each.name.name = rows.text(row, "relname");
        each.partitioned = rows.boolean(row, "partitioned");
        each.foreign = rows.boolean(row, "is_foreign");
        each.owned = rows.boolean(row, "owned");
        each.detaching = rows.boolean(row, "inhdetachpending");
        each.partition_key = rows.text(row, "partition_key");
        each.bound = rows.text(row, "bound");
        each.constraint = rows.text(row, "partition_constraint");
        each.default_oid = rows.integer(row, "default_oid");
        each.default_partition.schema = rows.text(row, "default_schema");
        each.default_partition.name = rows.text(row, "default_name");
        each.default_kind = read_char(rows, row, "default_kind");
        each.default_owned = rows.boolean(row, "default_owned");
        parents.push_back(std::move(each));
    }
    co_return parents;
}

}  // namespace pgeist::catalog
