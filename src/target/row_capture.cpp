#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

// They apply changes by calls that fire row triggers only, and are not listed among the subscriptions.
constexpr const char* appliers_sql = R"sql(
    SELECT string_agg(quote_ident(extname), ', ' ORDER BY extname) FROM pg_extension
     WHERE extname IN ('pglogical', 'spock', 'bdr', 'pgactive'))sql";

// Who logs in with a limit, and may write to the table as himself or as a role that he may become. What is given to a
// role in this database counts first, then what is given to the role, then to the database, then what the server has.
// That is known only where this session has no setting of its own.
constexpr const char* limited_sql = R"sql(
    WITH given AS (
        SELECT s.setrole, s.setdatabase, substr(one, strpos(one, '=') + 1) AS amount
          FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS one
         WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
           AND one LIKE 'temp\_file\_limit=%'),
    writers AS (
        SELECT oid FROM pg_roles
         WHERE has_table_privilege(oid, $1::oid, 'INSERT, UPDATE, DELETE') OR has_any_column_privilege(oid, $1::oid, 'INSERT, UPDATE')),
    limits AS (
        SELECT r.rolname, (SELECT g.amount FROM given g WHERE g.setrole IN (0, r.oid)
                            ORDER BY g.setrole = 0, g.setdatabase = 0 LIMIT 1) AS amount, r.oid
          FROM pg_roles r WHERE r.rolcanlogin)
    SELECT (SELECT format('%s for role %I', l.amount, l.rolname) FROM limits l
             WHERE l.amount NOT IN ('-1', '''-1''') AND EXISTS (SELECT FROM writers w WHERE pg_has_role(l.oid, w.oid, 'MEMBER'))
             ORDER BY l.rolname LIMIT 1) AS of_role,
           (SELECT current_setting(name) || ' on the server' FROM pg_settings
             WHERE name = 'temp_file_limit' AND setting <> '-1' AND source IN ('configuration file', 'command line', 'default')
               AND EXISTS (SELECT FROM limits WHERE amount IS NULL)) AS of_server)sql";

constexpr const char* counts_off_sql = R"sql(
    SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'track_counts' AND setting = 'off')
        OR EXISTS (SELECT FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS one
                    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                      AND one LIKE 'track\_counts=%' AND one NOT IN ('track_counts=on', 'track_counts=true')))sql";

}  // namespace

awaitable<bool> needs_row_capture(build_context& at) {
    const auto appliers = co_await at.conn.query(appliers_sql);
    if (!appliers.is_null(0, 0)) {
        at.warnings.push_back(
            fmt::format("extension {} is there, whose appliers fire row triggers only: each changed row is logged by "
                        "itself, which slows statements that change many",
                        appliers.text(0, 0)));
        co_return true;
    }
    const auto limits = co_await at.conn.query(limited_sql, at.source.oid);
    for (const char* whose : {"of_role", "of_server"}) {
        if (const auto limit = limits.optional_text(0, limits.column(whose))) {
            at.warnings.push_back(fmt::format(
                "temp_file_limit is {}, and would end statements whose changed rows are kept for a statement trigger: "
                "each changed row is logged by itself, which slows statements that change many",
                *limit));
            co_return true;
        }
    }
    co_return !at.source.parents.empty() || at.source.is_partition;
}

awaitable<bool> counts_may_be_off(build_context& at) {
    const pg::result found = co_await at.conn.query(counts_off_sql);
    co_return found.boolean(0, 0);
}

}  // namespace pgeist::target
