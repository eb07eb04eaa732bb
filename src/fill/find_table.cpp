#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/relation_kind.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/fill/planner.hpp"
#include "refuse.hpp"

namespace pgeist::fill {

namespace {

constexpr const char* standing_sql = R"(
    SELECT quote_ident(current_user) AS role, row_security_active(c.oid) AS rows_hidden,
           has_schema_privilege(c.relnamespace, 'USAGE') AS may_see,
           has_table_privilege(c.oid, 'SELECT') AS may_read,
           has_table_privilege(c.oid, CASE WHEN $2 THEN 'DELETE' ELSE 'UPDATE' END)
           OR (NOT $2 AND has_any_column_privilege(c.oid, 'UPDATE')) AS may_write,
           (SELECT string_agg(quote_ident(r.rulename), ', ' ORDER BY r.rulename) FROM pg_rewrite r
             WHERE r.ev_class = c.oid AND r.ev_type = CASE WHEN $2 THEN '4' ELSE '2' END) AS rules
      FROM pg_class c WHERE c.oid = $1::bigint::oid)";

void judge(const catalog::relation& found) {
    const std::string shown = found.name.display();
    if (found.kind != 'r' && found.kind != 'p') {
        const bool view = found.kind == 'v' || found.kind == 'm';
        refuse(fmt::format("{} is {}, not a table", shown, catalog::kind_name(found.kind)),
               view ? "give the table under it" : "");
    }
    if (found.persistence == 't') {
        refuse(fmt::format("{} is a temporary table", shown), "only its own session sees it: change it there");
    }
    if (catalog::is_system_schema(found.name.schema)) {
        refuse(fmt::format("{} belongs to the system or to pgeist", shown));
    }
}

}  // namespace

awaitable<catalog::table> find_table(pg::connection& session, request asked) {
    const auto found = co_await catalog::find_table(session, asked.table);
    if (!found) {
        refuse(fmt::format("there is no table {}", asked.table.display()),
               asked.table.schema.empty() ? "give its schema too, if it is not in your search_path" : "");
    }
    judge(*found);
    const pg::result row = co_await session.query(standing_sql, found->oid, asked.remove);
    const std::string shown = found->name.display();
    const std::string role = row.text(0, "role");
    const char* right = asked.remove ? "DELETE" : "UPDATE";
    if (!row.boolean(0, "may_see") || !row.boolean(0, "may_read") || !row.boolean(0, "may_write")) {
        refuse(fmt::format("role {} may not read and change {}", role, shown),
               fmt::format("GRANT SELECT, {} ON {} TO {}", right, shown, role));
    }
    if (row.boolean(0, "rows_hidden")) {
        refuse(fmt::format("row level security hides rows of {} from role {}", shown, role),
               "connect as a role with BYPASSRLS, or as the owner if it is not forced");
    }
    if (const auto rules = row.optional_text(0, "rules")) {
        refuse(fmt::format("{} has rules for {}, which would be run in its place: {}", shown, right, *rules),
               "drop or disable them first");
    }
    catalog::table source = co_await catalog::read_table(session, found->oid);
    if (source.has_children && source.kind != 'p') {
        refuse(
            fmt::format("other tables inherit from {}", shown),
            "a tree of tables is not done as a whole: give its children one by one, and set the parent's own rows with "
            "UPDATE ONLY");
    }
    co_return source;
}

}  // namespace pgeist::fill
