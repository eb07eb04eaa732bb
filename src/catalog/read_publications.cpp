#include <fmt/format.h>

#include "readers.hpp"

namespace pgeist::catalog {

namespace {

// Publications of whole schemas or of all tables do not name the table; the new one is in them as the old one was.
// Those of all tables but some name the ones that they leave out, and only a superuser may say which.
constexpr const char* publications_sql = R"(
    SELECT p.pubname, {columns} AS columns, {filter} AS filter, {excludes} AS excludes, {exclusion} AS exclusion,
           {all_sequences} AS all_sequences, CASE WHEN {excludes} THEN current_setting('is_superuser')::boolean
                                                  ELSE pg_has_role(p.pubowner, 'USAGE') END AS owned
      FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
     WHERE r.prrelid = $1 ORDER BY p.pubname COLLATE "C")";

constexpr const char* published_columns_sql = R"(
    ARRAY(SELECT a.attname FROM pg_attribute a
           WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[]) ORDER BY a.attnum))";

constexpr const char* exclusion_sql = R"(
    ARRAY(SELECT format('%I.%I', n.nspname, c.relname)
            FROM pg_publication_rel o JOIN pg_class c ON c.oid = o.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE r.prexcept AND o.prpubid = r.prpubid AND o.prrelid <> r.prrelid
           ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"))";

}  // namespace

awaitable<std::vector<publication>> read_publications(pg::inquiry& ask, std::int64_t table_oid) {
    const bool has_lists = ask.server_major() >= 15;
    const char* columns = has_lists ? published_columns_sql : "'{}'::text[]";
    const char* filter = has_lists ? "pg_get_expr(r.prqual, r.prrelid)" : "NULL";
    const bool has_exclusions = ask.server_major() >= 19;
    std::string sql = fmt::format(publications_sql, fmt::arg("columns", columns), fmt::arg("filter", filter),
                                  fmt::arg("excludes", has_exclusions ? "r.prexcept" : "false"),
                                  fmt::arg("exclusion", has_exclusions ? exclusion_sql : "'{}'::text[]"),
                                  fmt::arg("all_sequences", has_exclusions ? "p.puballsequences" : "false"));
    const auto rows = co_await ask.ask(std::move(sql), table_oid);
    std::vector<publication> publications;
    for (int row = 0; row < rows.rows(); ++row) {
        publication each;
        each.name = rows.text(row, "pubname");
        each.columns = rows.array(row, "columns");
        each.filter = rows.optional_text(row, "filter");
        each.excludes = rows.boolean(row, "excludes");
        each.exclusion = rows.array(row, "exclusion");
        each.all_sequences = rows.boolean(row, "all_sequences");
        each.owned = rows.boolean(row, "owned");
        publications.push_back(std::move(each));
    }
    co_return publications;
}

}  // namespace pgeist::catalog
