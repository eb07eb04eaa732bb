#include <fmt/format.h>

#include "pgeist/concurrently/indexes.hpp"
#include "run.hpp"

namespace pgeist::concurrently {

namespace {

// The owner of a table may name its TOAST table only with a right on schema pg_toast, which nobody but a superuser has
// by default. An invalid index may be somebody's that is being built.
constexpr const char* list_sql = R"sql(
    WITH tables AS (
        SELECT relid AS oid FROM pg_partition_tree($1::bigint::oid::regclass) WHERE isleaf
        UNION SELECT $1::bigint::oid),
    relations AS (
        SELECT c.oid, false AS is_toast FROM pg_class c JOIN tables t ON t.oid = c.oid WHERE c.relkind IN ('r', 'm')
        UNION ALL
        SELECT c.reltoastrelid, true FROM pg_class c JOIN tables t ON t.oid = c.oid
         WHERE c.relkind IN ('r', 'm') AND c.reltoastrelid <> 0)
    SELECT x.oid::bigint AS oid, xn.nspname AS schema, x.relname AS name, t.oid::bigint AS table_oid,
           tn.nspname AS table_schema, t.relname AS table_name, pg_relation_size(x.oid) AS bytes,
           pg_relation_size(t.oid) AS table_bytes, r.is_toast, am.amname = 'btree' AS is_btree,
           CASE WHEN i.indisexclusion THEN 'it belongs to an exclusion constraint, which cannot be rebuilt CONCURRENTLY'
                WHEN NOT i.indisvalid THEN 'it is invalid: somebody is building it, or has failed to'
                WHEN t.relpersistence = 't' THEN 'its table is temporary'
                WHEN r.is_toast AND NOT has_schema_privilege(xn.oid, 'USAGE')
                THEN format('role %I has no right on schema %I: a superuser can', current_user, xn.nspname)
                ELSE '' END AS why_not
      FROM relations r JOIN pg_class t ON t.oid = r.oid JOIN pg_namespace tn ON tn.oid = t.relnamespace
      JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class x ON x.oid = i.indexrelid AND x.relkind = 'i'
      JOIN pg_namespace xn ON xn.oid = x.relnamespace JOIN pg_am am ON am.oid = x.relam
     ORDER BY r.is_toast, tn.nspname, t.relname, x.relname)sql";

constexpr const char* one_sql = R"sql(
    SELECT n.nspname AS schema, c.relname AS name, i.indrelid::bigint AS table_oid
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE i.indexrelid = $1::bigint::oid)sql";

}  // namespace

awaitable<std::vector<existing_index>> list_indexes(pg::connection& session, std::int64_t table_oid) {
    const pg::result rows = co_await session.query(list_sql, table_oid);
    std::vector<existing_index> all;
    for (int row = 0; row < rows.rows(); ++row) {
        existing_index one;
        one.oid = rows.integer(row, "oid");
        one.name.schema = rows.text(row, "schema");
        one.name.name = rows.text(row, "name");
        one.table_oid = rows.integer(row, "table_oid");
        one.table.schema = rows.text(row, "table_schema");
        one.table.name = rows.text(row, "table_name");
        one.bytes = rows.integer(row, "bytes");
        one.table_bytes = rows.integer(row, "table_bytes");
        one.is_toast = rows.boolean(row, "is_toast");
        one.is_btree = rows.boolean(row, "is_btree");
        one.why_not = rows.text(row, "why_not");
        all.push_back(std::move(one));
    }
    co_return all;
}

awaitable<void> reindex(workspace& work, pg::connection& session, std::int64_t index_oid) {
    require_sound_server(session);
    const pg::result row = co_await session.query(one_sql, index_oid);
    if (row.empty()) {
        co_return;
    }
    entry about;
    about.what = deed::reindex;
    about.table_oid = row.integer(0, "table_oid");
    about.name.schema = row.text(0, "schema");
    about.name.name = row.text(0, "name");
    about.oid = index_oid;
    work.progress.detail = "rebuilding " + about.name.display();
    const std::string sql = "REINDEX INDEX CONCURRENTLY " + about.name.sql();
    co_await carry_out(work, session, sql, about);
    co_await remove(session, work.mine, about);
}

awaitable<void> reindex_table(workspace& work, pg::connection& session, std::int64_t table_oid) {
    const std::vector<existing_index> all = co_await list_indexes(session, table_oid);
    for (const existing_index& each : all) {
        if (!each.why_not.empty()) {
            work.observer.message(report::level::warning,
                                  fmt::format("index {} is left as it is: {}", each.name.display(), each.why_not));
            continue;
        }
        co_await reindex(work, session, each.oid);
    }
}

}  // namespace pgeist::concurrently
