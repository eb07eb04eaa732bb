#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "pgeist/pg/result.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

// pg_get_expr() given a table looks at all of its columns for each expression: for wide tables that takes seconds. Only
// generated columns need it, since a default names no column; those of wide tables are read once: see read_generated().
// A default is volatile when its stored tree names a volatile function: pg_depend would not show built-in ones.
constexpr const char* columns_sql = R"(
    WITH names AS MATERIALIZED (
        SELECT encode(sha256(convert_to(current_database() || string_agg(attnum || ' ' || attname, ', ' ORDER BY attnum),
                                        getdatabaseencoding())), 'hex') AS digest
          FROM pg_attribute WHERE attrelid = $1 AND attnum > 0)
    SELECT a.attnum, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.atttypid,
           CASE WHEN a.attcollation <> t.typcollation
                THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) ELSE '' END AS collation,
           a.attnotnull,
           pg_get_expr(d.adbin, CASE WHEN a.attgenerated = '' THEN 0 WHEN c.relnatts <= {wide} THEN d.adrelid END)
               AS default_expression,
           CASE WHEN a.attgenerated <> '' AND c.relnatts > {wide} THEN
               encode(sha256(convert_to(names.digest || regexp_replace(d.adbin::text, ' :location -?[0-9]+', '', 'g'),
                                        getdatabaseencoding())), 'hex') END AS tree,
           EXISTS (SELECT FROM regexp_matches(d.adbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS used
                     JOIN pg_proc p ON p.oid = used[1]::oid WHERE p.provolatile = 'v') AS default_is_volatile,
           a.attidentity, a.attgenerated, a.attndims, a.attstorage, a.attcompression, nullif(a.attstattarget, -1) AS statistics,
           ARRAY(SELECT o FROM unnest(a.attoptions) AS o WHERE o LIKE 'n\_distinct%' ORDER BY o) AS options,
           {acl} AS acl, col_description(a.attrelid, a.attnum) AS comment,
           CASE WHEN a.atthasmissing THEN (a.attmissingval::text::text[])[1] END AS missing_value,
           a.attislocal, a.attinhcount
      FROM pg_attribute a CROSS JOIN names JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_collation co ON co.oid = a.attcollation
      LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
     ORDER BY a.attnum)";

column read_column(const pg::result& rows, int row) {
    column each;
    each.attnum = static_cast<int>(rows.integer(row, "attnum"));
    each.name = rows.text(row, "attname");
    each.type = rows.text(row, "type");
    each.type_oid = rows.integer(row, "atttypid");
    each.collation = rows.text(row, "collation");
    each.not_null = rows.boolean(row, "attnotnull");
    each.default_expression = rows.optional_text(row, "default_expression");
    each.default_is_volatile = rows.boolean(row, "default_is_volatile");
    each.identity = read_char(rows, row, "attidentity");
    each.generated = read_char(rows, row, "attgenerated");
    each.dimensions = static_cast<int>(rows.integer(row, "attndims"));
    each.storage = read_char(rows, row, "attstorage");
    each.compression = read_char(rows, row, "attcompression");
    if (!rows.is_null(row, rows.column("statistics"))) {
        each.statistics = static_cast<int>(rows.integer(row, "statistics"));
    }
    each.options = rows.array(row, "options");
    each.acl = parse_access_list(rows.text(row, "acl"));
    each.comment = rows.optional_text(row, "comment");
    each.missing_value = rows.optional_text(row, "missing_value");
    each.local = rows.boolean(row, "attislocal");
    each.inherited = static_cast<int>(rows.integer(row, "attinhcount"));
    return each;
}

constexpr int wide = 100;
constexpr std::size_t most_kept = 20'000;

/// Expressions by a digest of their trees and of all that gives the names in them: the same in a table and its copies.
using expressions = std::unordered_map<std::string, std::string>;

/// For as long as the program runs: it works in one database.
expressions& known_expressions() {
    static expressions known;
    return known;
}

/// Before PostgreSQL 18 each expression takes the server a time that grows with the square of the number of columns, so
/// that those of 900 generated columns take seconds. They are read some ten times, once of them under the swap's lock.
awaitable<void> read_generated(pg::connection& conn, std::int64_t table_oid, const pg::result& rows,
                               std::vector<column>& columns) {
    expressions& known = known_expressions();
    if (known.size() > most_kept) {
        known.clear();
    }
    std::vector<std::string> missing;
    std::unordered_map<int, std::string> trees;
    for (int row = 0; row < rows.rows(); ++row) {
        const auto tree = rows.optional_text(row, "tree");
        if (tree) {
            const int attnum = columns[static_cast<std::size_t>(row)].attnum;
            trees[attnum] = *tree;
            if (known.count(*tree) == 0) {
                missing.push_back(std::to_string(attnum));
            }
        }
    }
    if (!missing.empty()) {
        const auto read = co_await conn.query(
            "SELECT adnum, pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = $1 AND adnum = ANY ($2::int2[])",
            table_oid, pg::array_literal(missing));
        for (int row = 0; row < read.rows(); ++row) {
            known[trees[static_cast<int>(read.integer(row, 0))]] = read.text(row, 1);
        }
    }
    for (auto& each : columns) {
        const auto tree = trees.find(each.attnum);
        if (tree != trees.end()) {
            each.default_expression = known.at(tree->second);
        }
    }
}

}  // namespace

awaitable<std::vector<column>> read_columns(pg::inquiry& ask, std::int64_t table_oid) {
    const std::string acl = access_list_sql("a.attacl", "NULL::aclitem[]");
    const auto rows =
        co_await ask.ask(fmt::format(columns_sql, fmt::arg("acl", acl), fmt::arg("wide", wide)), table_oid);
    std::vector<column> columns;
    for (int row = 0; row < rows.rows(); ++row) {
        columns.push_back(read_column(rows, row));
    }
    co_await read_generated(ask.session(), table_oid, rows, columns);
    co_return columns;
}

}  // namespace pgeist::catalog
