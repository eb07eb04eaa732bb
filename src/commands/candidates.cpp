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
// columns look a little more bloated than they are. Columns that were dropped have no part in it: what rows still hold
// of them counts as bloat.
//
// TOAST is not analyzed. Four of its chunks fill a page, but the last one of a value, which is shorter: taken for
// whole, they make the table look less bloated than it is. A B-tree's entry takes a line pointer, 8 bytes, and its
// columns; 9 of 10 bytes of a leaf page are filled, 1 page of 100 leads to the others. Equal keys are stored once: such
// an index looks less bloated than it is.
constexpr const char* candidates_sql = R"sql(
WITH columns AS (
    SELECT a.attrelid, count(*) FILTER (WHERE NOT a.attisdropped) AS natts, bool_or(s.null_frac > 0) AS nulls,
           sum((1 - s.null_frac) * s.avg_width) AS width, count(s.avg_width) AS known,
           count(*) FILTER (WHERE a.attisdropped) AS dropped
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname AND NOT s.inherited
    WHERE a.attnum > 0
    GROUP BY a.attrelid
), heaps AS (
    SELECT c.oid, n.nspname, c.relname, c.reltuples, pg_relation_size(c.oid) AS heap, k.dropped,
           current_setting('block_size')::float8 AS page,
           coalesce((SELECT o.option_value::float8 FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'fillfactor'), 100)
               / 100 AS fill,
           4 + ceil((23 + CASE WHEN k.nulls THEN (k.natts + 7) / 8 ELSE 0 END) / 8.0) * 8 + ceil(k.width / 8.0) * 8 AS row_bytes,
           coalesce(t.reltuples, -1) AS chunks, CASE WHEN t.oid IS NULL THEN 0 ELSE pg_relation_size(t.oid) END AS toast
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN columns k ON k.attrelid = c.oid AND k.known = k.natts
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.reltuples >= 0
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pgeist(_[0-9]+(_old)?)?$'
), entries AS (
    SELECT i.indexrelid, i.indrelid, x.reltuples, pg_relation_size(x.oid) AS bytes,
           coalesce((SELECT o.option_value::float8 FROM pg_options_to_table(x.reloptions) o WHERE o.option_name = 'fillfactor'), 90)
               / 100 AS fill,
           -- Of a column of the table, or of an expression of the index, which is analyzed under the index's name.
           (SELECT CASE WHEN count(w.width) = count(*) THEN 4 + 8 + ceil(sum(w.width) / 8.0) * 8 END
              FROM generate_series(1, i.indnatts) AS number
              CROSS JOIN LATERAL (
                  SELECT (SELECT (1 - s.null_frac) * s.avg_width FROM pg_stats s
                           WHERE s.schemaname = h.nspname AND NOT s.inherited
                             AND CASE WHEN i.indkey[number - 1] = 0
                                      THEN s.tablename = x.relname AND s.attname = (SELECT a.attname FROM pg_attribute a
                                           WHERE a.attrelid = x.oid AND a.attnum = number)
                                      ELSE s.tablename = h.relname AND s.attname = (SELECT a.attname FROM pg_attribute a
                                           WHERE a.attrelid = h.oid AND a.attnum = i.indkey[number - 1]) END) AS width) AS w) AS entry_bytes
    FROM heaps h JOIN pg_index i ON i.indrelid = h.oid AND i.indisvalid JOIN pg_class x ON x.oid = i.indexrelid
    JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
), indexes AS (
    SELECT e.indrelid, sum(e.bytes)::bigint AS bytes,
           coalesce(sum(greatest(0, e.bytes - (2 + ceil(1.01 * e.reltuples * e.entry_bytes / ((current_setting('block_size')::float8 - 40) * e.fill)))
                                              * current_setting('block_size')::float8))
                        FILTER (WHERE e.reltuples >= 0 AND e.entry_bytes IS NOT NULL), 0)::bigint AS bloat
    FROM entries e GROUP BY e.indrelid
), estimates AS (
    SELECT h.*, coalesce(x.bytes, 0) AS index_bytes, coalesce(x.bloat, 0) AS index_bloat,
           h.heap - least(h.heap, ceil(h.reltuples * h.row_bytes / ((h.page - 24) * h.fill)) * h.page)::bigint AS heap_bloat,
           CASE WHEN h.chunks < 0 THEN 0 ELSE greatest(0, h.toast - ceil(h.chunks / 4) * h.page) END::bigint AS toast_bloat
    FROM heaps h LEFT JOIN indexes x ON x.indrelid = h.oid
), judged AS (
    SELECT e.*, e.heap_bloat + e.toast_bloat AS bloat,
           100.0 * (e.heap_bloat + e.toast_bloat) >= $2::float8 * (e.heap + e.toast) AND e.heap + e.toast >= $1::bigint AS rewrite,
           e.index_bloat > 0 AND 100.0 * e.index_bloat >= $2::float8 * e.index_bytes AND e.index_bytes >= $1::bigint AS reindex
    FROM estimates e
)
SELECT e.oid::bigint AS oid, e.nspname, e.relname, e.heap, e.toast, e.index_bytes, pg_total_relation_size(e.oid) AS total,
       e.bloat, e.toast_bloat, e.index_bloat, e.dropped, NOT e.rewrite AS indexes_alone,
       CASE WHEN e.rewrite THEN e.bloat + e.index_bloat ELSE e.index_bloat END AS saves,
       CASE WHEN e.heap + e.toast > 0 THEN 100.0 * e.bloat / (e.heap + e.toast) ELSE 0 END AS percent,
       coalesce(t.n_dead_tup, 0) AS dead,
       coalesce(to_char(greatest(t.last_analyze, t.last_autoanalyze) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') AS analyzed,
       {refusals} AS refusals,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = e.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
               AND NOT EXISTS (SELECT FROM unnest(i.indkey) WITH ORDINALITY AS u(attnum, place)
                               LEFT JOIN pg_attribute a ON a.attrelid = e.oid AND a.attnum = u.attnum
                               WHERE u.place <= i.indnkeyatts AND NOT coalesce(a.attnotnull, false))) AS has_key
FROM judged e JOIN pg_class c ON c.oid = e.oid LEFT JOIN pg_stat_user_tables t ON t.relid = e.oid
WHERE e.rewrite OR e.reindex
ORDER BY saves DESC, e.nspname, e.relname)sql";

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
        one.name = name;
        one.heap_bytes = rows.integer(row, "heap");
        one.total_bytes = rows.integer(row, "total");
        one.toast_bytes = rows.integer(row, "toast");
        one.index_bytes = rows.integer(row, "index_bytes");
        one.bloat_bytes = rows.integer(row, "bloat");
        one.toast_bloat_bytes = rows.integer(row, "toast_bloat");
        one.index_bloat_bytes = rows.integer(row, "index_bloat");
        one.saves_bytes = rows.integer(row, "saves");
        one.dropped_columns = rows.integer(row, "dropped");
        one.indexes_alone = rows.boolean(row, "indexes_alone");
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
