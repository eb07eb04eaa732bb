#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* indexes_sql = R"(
    SELECT c.oid, c.relname, pg_get_indexdef(c.oid) AS definition, pg_get_expr(i.indpred, i.indrelid) AS predicate,
           am.amname, coalesce(ts.spcname, '') AS tablespace, i.indisunique, i.indisprimary, i.indisexclusion,
           i.indimmediate, i.indisvalid, i.indisclustered, i.indisreplident, pg_relation_size(c.oid) AS bytes,
           greatest(c.reltuples, 0)::bigint AS rows,
           obj_description(c.oid, 'pg_class') AS comment, coalesce(c.reloptions, '{{}}') AS options,
           {operator_schemas} AS operator_schemas, {operators} AS operators, {extensions} AS extensions,
           coalesce((SELECT p.relname FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent WHERE h.inhrelid = c.oid), '')
             AS parent_index
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am am ON am.oid = c.relam
      LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
     WHERE i.indrelid = $1 ORDER BY c.relname COLLATE "C")";

// The arrays of pg_index count from 0; indclass, indcollation and indoption stop before the INCLUDE columns.
constexpr const char* index_columns_sql = R"(
    SELECT i.indexrelid, i.indkey[k] AS attnum, k >= i.indnkeyatts AS included,
           k < i.indnkeyatts AND (i.indoption[k] & 1) = 1 AS descending,
           CASE WHEN k < i.indnkeyatts AND i.indcollation[k] <> 0
                THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE '' END AS collation,
           oc.opcfamily, oc.opcintype, nullif(a.attstattarget, -1) AS statistics
      FROM pg_index i CROSS JOIN LATERAL generate_series(0, i.indnatts - 1) AS k
      JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = k + 1
      LEFT JOIN pg_opclass oc ON k < i.indnkeyatts AND oc.oid = i.indclass[k]
      LEFT JOIN pg_collation co ON k < i.indnkeyatts AND co.oid = i.indcollation[k]
      LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
     WHERE i.indrelid = $1 ORDER BY i.indexrelid, k)";

index read_index(const pg::result& rows, int row) {
    index each;
    each.oid = rows.integer(row, "oid");
    each.name = rows.text(row, "relname");
    each.definition = rows.text(row, "definition");
    each.predicate = rows.optional_text(row, "predicate");
    each.operator_schemas = rows.array(row, "operator_schemas");
    each.operators = rows.array(row, "operators");
    each.options = rows.array(row, "options");
    each.extensions = rows.array(row, "extensions");
    each.method = rows.text(row, "amname");
    each.tablespace = rows.text(row, "tablespace");
    each.unique = rows.boolean(row, "indisunique");
    each.primary = rows.boolean(row, "indisprimary");
    each.exclusion = rows.boolean(row, "indisexclusion");
    each.immediate = rows.boolean(row, "indimmediate");
    each.valid = rows.boolean(row, "indisvalid");
    each.clustered = rows.boolean(row, "indisclustered");
    each.replica_identity = rows.boolean(row, "indisreplident");
    each.bytes = rows.integer(row, "bytes");
    each.rows = rows.integer(row, "rows");
    each.comment = rows.optional_text(row, "comment");
    each.parent_index = rows.text(row, "parent_index");
    return each;
}

index_column read_index_column(const pg::result& rows, int row) {
    index_column each;
    each.attnum = static_cast<int>(rows.integer(row, "attnum"));
    each.included = rows.boolean(row, "included");
    each.descending = rows.boolean(row, "descending");
    each.collation = rows.text(row, "collation");
    each.operator_family = rows.integer(row, "opcfamily");
    each.input_type = rows.integer(row, "opcintype");
    if (!rows.is_null(row, rows.column("statistics"))) {
        each.statistics = static_cast<int>(rows.integer(row, "statistics"));
    }
    return each;
}

}  // namespace

awaitable<std::vector<index>> read_indexes(pg::inquiry& ask, std::int64_t table_oid) {
    const std::string tree = "concat(i.indexprs::text, i.indpred::text)";
    std::string sql = fmt::format(indexes_sql, fmt::arg("operator_schemas", operator_schemas_sql(tree)),
                                  fmt::arg("operators", used_operators_sql(tree)),
                                  fmt::arg("extensions", extensions_sql("pg_class", "c.oid")));
    const auto rows = co_await ask.ask(std::move(sql), table_oid);
    const auto column_rows = co_await ask.ask(index_columns_sql, table_oid);
    std::vector<index> indexes;
    for (int row = 0; row < rows.rows(); ++row) {
        index each = read_index(rows, row);
        for (int at = 0; at < column_rows.rows(); ++at) {
            if (column_rows.integer(at, "indexrelid") == each.oid) {
                each.columns.push_back(read_index_column(column_rows, at));
            }
        }
        indexes.push_back(std::move(each));
    }
    co_return indexes;
}

}  // namespace pgeist::catalog
