#include "pgeist/check/server_repack.hpp"

#include <fmt/format.h>

#include "pgeist/core/identifier.hpp"

namespace pgeist::check {

namespace {

constexpr const char* refusals_sql = R"sql(
    array_remove(ARRAY[
        CASE WHEN c.relpersistence = 'u' THEN 'it is unlogged' END,
        CASE WHEN c.relam <> (SELECT m.oid FROM pg_am m WHERE m.amname = 'heap') THEN 'its access method is not heap' END,
        CASE c.relreplident WHEN 'f' THEN 'its replica identity is FULL' WHEN 'n' THEN 'its replica identity is NOTHING' END,
        CASE WHEN c.relreplident IN ('d', 'i')
              AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indimmediate
                                 AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END)
             THEN 'it has no identity index, such as a primary key that is not deferrable' END,
        CASE WHEN EXISTS (SELECT FROM pg_options_to_table(c.reloptions) o
                           WHERE o.option_name = 'user_catalog_table' AND o.option_value::boolean)
             THEN 'it is a user_catalog_table' END,
        CASE WHEN current_setting('max_repack_replication_slots', true) = '0' THEN 'max_repack_replication_slots is 0' END,
        CASE WHEN NOT has_table_privilege(c.oid, 'MAINTAIN') THEN format('role %I has no right MAINTAIN on it', current_user)
             END], NULL))sql";

constexpr const char* snapshots_sql = R"sql(
    SELECT format('session %s of %s%s', pid, coalesce(usename, '?'),
                  CASE WHEN application_name <> '' THEN format(' (%s)', application_name) ELSE '' END) AS who
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL AND usesysid IS NOT NULL
       AND coalesce(backend_type, '') NOT IN ('autovacuum worker', 'walsender')
     ORDER BY xact_start LIMIT 10)sql";

}  // namespace

std::string repack_refusals_sql() { return refusals_sql; }

awaitable<std::vector<std::string>> held_snapshots(pg::connection& conn) {
    const auto rows = co_await conn.query(snapshots_sql);
    std::vector<std::string> who;
    for (int row = 0; row < rows.rows(); ++row) {
        who.push_back(rows.text(row, "who"));
    }
    co_return who;
}

awaitable<std::optional<plan::server_repack>> consider_server_repack(pg::connection& conn, std::int64_t oid) {
    std::optional<plan::server_repack> found;
    if (conn.server_major() < repack_since) {
        co_return found;
    }
    std::string sql =
        "SELECT n.nspname, c.relname, pg_total_relation_size(c.oid) AS bytes, (SELECT count(*) FROM "
        "pg_stat_replication) AS replicas, " +
        repack_refusals_sql() +
        " AS refusals FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "
        "$1::bigint::oid";
    const auto rows = co_await conn.query(std::move(sql), oid);
    if (rows.empty()) {
        co_return found;
    }
    const qualified_name table{rows.text(0, "nspname"), rows.text(0, "relname")};
    found.emplace();
    found->statement = "REPACK (CONCURRENTLY) " + table.display();
    found->refusals = rows.array(0, "refusals");
    found->bytes = rows.integer(0, "bytes");
    found->replicas = rows.integer(0, "replicas");
    found->old_snapshots = co_await held_snapshots(conn);
    co_return found;
}

}  // namespace pgeist::check
