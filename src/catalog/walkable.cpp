#include "pgeist/catalog/walkable.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace pgeist::catalog {

namespace {

// Of each column of the key: whether = of its operator class is the one by which DISTINCT tells the column's values
// apart, whether it can be merged or hashed, and a collation that the column is sorted by, also within ranges and rows,
// and that has another version now. The default collation's version is the database's, which has one from 15 on.
constexpr const char* reliable_sql = R"(
    SELECT i.indkey[k] AS attnum, o.oprcanmerge OR o.oprcanhash AS is_joinable,
           coalesce(o.oid = (SELECT d.amopopr FROM pg_opclass u JOIN pg_amop d ON d.amopfamily = u.opcfamily
                                AND d.amoplefttype = u.opcintype AND d.amoprighttype = u.opcintype AND d.amopstrategy = 3
                              WHERE u.opcmethod = oc.opcmethod AND u.opcdefault
                                AND u.opcintype IN (y.oid, y.typbasetype, oc.opcintype)
                              ORDER BY u.opcintype = oc.opcintype LIMIT 1), false) AS is_usual,
           (SELECT v.name || ' (version ' || v.noted || ', now ' || v.actual || ')'
              FROM (SELECT quote_ident(c.collname) AS name, c.collversion AS noted,
                           pg_collation_actual_version(c.oid) AS actual
                      FROM pg_collation c WHERE c.collprovider <> 'd' AND c.oid = ANY (s.collations){of_database}) AS v
             WHERE v.noted <> v.actual LIMIT 1) AS outdated
      FROM pg_index i CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) AS k
      JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = k + 1
      JOIN pg_type y ON y.oid = a.atttypid
      JOIN pg_opclass oc ON oc.oid = i.indclass[k]
      JOIN pg_amop w ON w.amopfamily = oc.opcfamily AND w.amoplefttype = oc.opcintype
                    AND w.amoprighttype = oc.opcintype AND w.amopstrategy = 3
      JOIN pg_operator o ON o.oid = w.amopopr
     CROSS JOIN LATERAL (
           SELECT ARRAY[i.indcollation[k]] || ARRAY(SELECT r.rngcollation FROM pg_range r WHERE r.rngtypid = y.oid)
                  || ARRAY(SELECT p.attcollation FROM pg_attribute p WHERE p.attrelid = y.typrelid) AS collations) AS s
     WHERE i.indexrelid = $1::bigint::oid ORDER BY k)";

constexpr const char* of_database_sql = R"(
                     UNION ALL
                    SELECT 'of database ' || quote_ident(d.datname), d.datcollversion,
                           pg_database_collation_actual_version(d.oid)
                      FROM pg_database d WHERE d.datname = current_database()
                       AND 'pg_catalog.default'::regcollation = ANY (s.collations))";

}  // namespace

std::vector<index_column> key_columns(const index& each) {
    std::vector<index_column> columns;
    std::copy_if(each.columns.begin(), each.columns.end(), std::back_inserter(columns),
                 [](const index_column& column) { return !column.included; });
    return columns;
}

bool is_never_null(const table& of, int attnum) {
    const auto* found = of.find_column(attnum);
    return found != nullptr && found->not_null &&
           std::none_of(of.constraints.begin(), of.constraints.end(), [&](const constraint& each) {
               return each.type == 'n' && !each.validated && each.columns == std::vector<int>{attnum};
           });
}

std::string not_walkable_reason(const table& of, const index& each) {
    if (!each.unique) {
        return "it is not unique";
    }
    if (!each.valid) {
        return "it is invalid";
    }
    if (each.method != "btree") {
        return "it is not a btree";
    }
    if (each.predicate) {
        return "it is partial";
    }
    for (const auto& column : key_columns(each)) {
        const auto* from = of.find_column(column.attnum);
        if (from == nullptr) {
            return "it has an expression";
        }
        if (!is_never_null(of, column.attnum)) {
            return fmt::format("column {} may be null", display_identifier(from->name));
        }
    }
    return "";
}

awaitable<std::string> unreliable_reason(pg::connection& conn, const table& of, const index& each) {
    std::string sql = reliable_sql;
    const std::string place = "{of_database}";
    sql.replace(sql.find(place), place.size(), conn.server_major() >= 15 ? of_database_sql : "");
    const pg::result rows = co_await conn.query(std::move(sql), each.oid);
    std::string reason;
    for (int row = 0; row < rows.rows() && reason.empty(); ++row) {
        const auto* column = of.find_column(static_cast<int>(rows.integer(row, "attnum")));
        const std::string name = display_identifier(column->name);
        if (!rows.boolean(row, "is_usual")) {
            reason =
                fmt::format("the operator class of column {} takes other values for equal than DISTINCT does", name);
        } else if (!rows.boolean(row, "is_joinable")) {
            reason = fmt::format("the operator = of column {} serves neither merge nor hash joins", name);
        } else if (const auto outdated = rows.optional_text(row, "outdated")) {
            reason = fmt::format(
                "column {} is sorted by collation {}, so that the index may be out of order: REINDEX what depends on "
                "it, then REFRESH VERSION (ALTER COLLATION) or REFRESH COLLATION VERSION (ALTER DATABASE)",
                name, *outdated);
        }
    }
    co_return reason;
}

}  // namespace pgeist::catalog
