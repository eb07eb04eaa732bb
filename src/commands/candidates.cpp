#include <boost/algorithm/string/replace.hpp>

#include "pgeist/check/server_repack.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::commands {

namespace {

// A row takes a line pointer, a header (with a bit a column when it may hold nulls) and its columns, both aligned to 8
// bytes; what ANALYZE knows of the columns' widths and nulls, times the rows, in pages filled as the table says, is
// what the heap would take after a rebuild. Padding between columns is not known and not counted: tables of many narrow
// columns look a little more bloated than they are.
constexpr const char* candidates_sql = R"sql(
WITH columns AS (
    SELECT a.attrelid, count(*) AS natts, bool_or(s.null_frac > 0) AS nulls,
           sum((1 - s.null_frac) * s.avg_width) AS width, count(s.avg_width) AS known
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
    WHERE a.attnum > 0 AND NOT a.attisdropped
    GROUP BY a.attrelid
), heaps AS (
    SELECT c.oid, n.nspname, c.relname, c.reltuples, pg_relation_size(c.oid) AS heap,
           current_setting('block_size')::float8 AS page,
           coalesce((SELECT o.option_value::float8 FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'fillfactor'), 100)
               / 100 AS fill,
           4 + ceil((23 + CASE WHEN k.nulls THEN (k.natts + 7) / 8 ELSE 0 END) / 8.0) * 8 + ceil(k.width / 8.0) * 8 AS row_bytes
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN columns k ON k.attrelid = c.oid AND k.known = k.natts
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.reltuples >= 0
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pgeist(_[0-9]+(_old)?)?$'
), estimates AS (
    SELECT h.*, least(h.heap, ceil(h.reltuples * h.row_bytes / ((h.page - 24) * h.fill)) * h.page)::bigint AS needed
    FROM heaps h
)
SELECT e.nspname, e.relname, e.heap, pg_total_relation_size(e.oid) AS total, e.heap - e.needed AS bloat,
       CASE WHEN e.heap > 0 THEN 100.0 * (e.heap - e.needed) / e.heap ELSE 0 END AS percent,
       coalesce(t.n_dead_tup, 0) AS dead,
       coalesce(to_char(greatest(t.last_analyze, t.last_autoanalyze) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') AS analyzed,
       {refusals} AS refusals,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = e.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
               AND NOT EXISTS (SELECT FROM unnest(i.indkey) WITH ORDINALITY AS u(attnum, place)
                               LEFT JOIN pg_attribute a ON a.attrelid = e.oid AND a.attnum = u.attnum
                               WHERE u.place <= i.indnkeyatts AND NOT coalesce(a.attnotnull, false))) AS has_key
FROM estimates e JOIN pg_class c ON c.oid = e.oid LEFT JOIN pg_stat_user_tables t ON t.relid = e.oid
WHERE e.heap >= $1::bigint AND 100.0 * (e.heap - e.needed) >= $2::float8 * e.heap
ORDER BY bloat DESC, e.nspname, e.relname)sql";

}  // namespace

awaitable<std::vector<bloated_table>> repack_candidates(pg::connect_options options, bloat_thresholds least) {
    const auto session = co_await pg::connection::open(std::move(options), "pgeist repack-candidates");
    const bool has_repack = session->server_major() >= check::repack_since;
    std::string sql = candidates_sql;
    boost::replace_all(sql, "{refusals}", has_repack ? check::repack_refusals_sql() : std::string("NULL::text[]"));
    const pg::result rows = co_await session->query(std::move(sql), least.bytes, least.percent);
    std::vector<std::string> snapshots;
    if (has_repack) {
        snapshots = co_await check::held_snapshots(*session);
    }
    std::vector<bloated_table> found;
    for (int row = 0; row < rows.rows(); ++row) {
        bloated_table one;
        const qualified_name name{rows.text(row, "nspname"), rows.text(row, "relname")};
        one.table = name.display();
        one.heap_bytes = rows.integer(row, "heap");
        one.total_bytes = rows.integer(row, "total");
        one.bloat_bytes = rows.integer(row, "bloat");
        one.bloat_percent = std::stod(rows.text(row, "percent"));
        one.dead_rows = rows.integer(row, "dead");
        one.analyzed_at = rows.text(row, "analyzed");
        one.has_key = rows.boolean(row, rows.column("has_key"));
        if (has_repack) {
            one.server.emplace();
            one.server->statement = "REPACK (CONCURRENTLY) " + one.table;
            one.server->refusals = rows.array(row, rows.column("refusals"));
            one.server->old_snapshots = snapshots;
            one.server->bytes = one.total_bytes;
        }
        found.push_back(std::move(one));
    }
    co_return found;
}

}  // namespace pgeist::commands
