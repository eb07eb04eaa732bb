#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* kept_oids_check = "kept_oids";

// Small tables, of which a look costs nothing: whoever keeps OIDs of tables has no millions of them.
constexpr const char* columns_sql = R"(
    SELECT n.nspname, c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE a.atttypid IN ('regclass'::regtype, 'oid'::regtype) AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind = 'r'
       AND c.oid >= 16384 AND n.nspname !~ '^pgeist(_[0-9]+)?$' AND c.relpersistence <> 't'
       AND c.relpages <= 100 AND pg_relation_filenode(c.oid) IS NOT NULL AND has_schema_privilege(n.oid, 'USAGE')
       AND has_column_privilege(c.oid, a.attnum, 'SELECT') AND NOT row_security_active(c.oid)
     ORDER BY a.atttypid = 'oid'::regtype, n.nspname, c.relname, a.attname LIMIT 100)";

/// Waits for nobody, and reads at most some thousand rows.
awaitable<bool> holds(const subject& what, qualified_name table, std::string column) {
    bool found = false;
    co_await what.conn.execute("SAVEPOINT pgeist_look; SET LOCAL lock_timeout = 1");
    std::optional<pg::sql_error> failed;
    try {
        const auto row = co_await what.conn.query(
            fmt::format("SELECT EXISTS (SELECT FROM (SELECT {0} AS kept FROM ONLY {1} LIMIT 10000) AS t WHERE "
                        "kept::oid = $1)",
                        quote_identifier(column), table.sql()),
            what.source->oid);
        found = row.boolean(0, 0);
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    co_await what.conn.execute("ROLLBACK TO SAVEPOINT pgeist_look; RELEASE SAVEPOINT pgeist_look");
    co_return found;
}

}  // namespace

/// ALTER TABLE and VACUUM FULL keep the table's OID; the swap does not.
awaitable<void> check_kept_oids(const subject& what, findings& into) {
    const auto rows = co_await what.conn.query(columns_sql);
    for (int row = 0; row < rows.rows(); ++row) {
        const qualified_name table{rows.text(row, "nspname"), rows.text(row, "relname")};
        const std::string column = rows.text(row, "attname");
        const bool kept = co_await holds(what, table, column);
        if (kept) {
            warn(into, kept_oids_check,
                 fmt::format("column {} of {} holds the OID of {}, which will be that of the old table",
                             display_identifier(column), table.display(), what.source->name.display()),
                 "change it after the run");
        }
    }
}

}  // namespace pgeist::check
