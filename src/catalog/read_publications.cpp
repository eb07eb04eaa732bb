#include <fmt/format.h>

#include "readers.hpp"

namespace pgeist::catalog {

namespace {

// Publications of whole schemas or of all tables do not name the table; the new one is in them as the old one was.
constexpr const char* publications_sql = R"(
    SELECT p.pubname, {columns} AS columns, {filter} AS filter, pg_has_role(p.pubowner, 'USAGE') AS owned
      FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
     WHERE r.prrelid = $1 ORDER BY p.pubname COLLATE "C")";

constexpr const char* columns_sql = R"(
    ARRAY(SELECT a.attname FROM pg_attribute a
           WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[]) ORDER BY a.attnum))";

}  // namespace

awaitable<std::vector<publication>> read_publications(pg::connection& conn, std::int64_t table_oid) {
    const bool has_lists = conn.server_major() >= 15;
    const char* columns = has_lists ? columns_sql : "'{}'::text[]";
    const char* filter = has_lists ? "pg_get_expr(r.prqual, r.prrelid)" : "NULL";
    std::string sql = fmt::format(publications_sql, fmt::arg("columns", columns), fmt::arg("filter", filter));
    const auto rows = co_await conn.query(std::move(sql), table_oid);
    std::vector<publication> publications;
    for (int row = 0; row < rows.rows(); ++row) {
        publication each;
        each.name = rows.text(row, "pubname");
        each.columns = rows.array(row, "columns");
        each.filter = rows.optional_text(row, "filter");
        each.owned = rows.boolean(row, "owned");
        publications.push_back(std::move(each));
    }
    co_return publications;
}

}  // namespace pgeist::catalog
