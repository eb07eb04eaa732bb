#include "pgeist/watch/statement_watch.hpp"

namespace pgeist::watch {

namespace {

constexpr const char* build_sql = R"sql(
    SELECT p.command, p.phase, coalesce(p.index_relid, 0)::bigint AS index_oid,
           coalesce(p.blocks_total, 0) AS blocks_total, coalesce(p.blocks_done, 0) AS blocks_done,
           coalesce(p.tuples_total, 0) AS tuples_total, coalesce(p.tuples_done, 0) AS tuples_done,
           coalesce(a.wait_event_type = 'Lock', false) AS waits
      FROM pg_stat_activity a LEFT JOIN pg_stat_progress_create_index p ON p.pid = a.pid
     WHERE a.pid = $1)sql";

// A transaction that is waited for may be a prepared one: pg_blocking_pids() gives 0 for it. Its lock on its own
// virtual transaction shows no number, so that all there are of this database are named.
constexpr const char* blockers_sql = R"sql(
    WITH blocking AS (SELECT DISTINCT unnest(pg_blocking_pids($1)) AS pid)
    SELECT b.pid, '' AS other, coalesce(a.usename, '?') AS usename, coalesce(a.application_name, '') AS application_name,
           coalesce(a.state, '?') AS state, left(regexp_replace(coalesce(a.query, ''), '\s+', ' ', 'g'), 200) AS query,
           coalesce(extract(epoch FROM clock_timestamp() - a.xact_start) * 1000, 0)::bigint AS age,
           $1 = ANY (pg_blocking_pids(b.pid)) AS waits_for_us
      FROM blocking b LEFT JOIN pg_stat_activity a ON a.pid = b.pid
     WHERE b.pid <> 0
    UNION ALL
    SELECT 0, format('prepared transaction %L', x.gid), x.owner, '', 'prepared', '',
           coalesce(extract(epoch FROM clock_timestamp() - x.prepared) * 1000, 0)::bigint, false
      FROM pg_prepared_xacts x
     WHERE x.database = current_database() AND EXISTS (SELECT FROM blocking WHERE pid = 0)
     ORDER BY age DESC)sql";

build_row build_from(const pg::result& row) {
    build_row build;
    build.command = row.text(0, "command");
    build.phase = row.text(0, "phase");
    build.index_oid = row.integer(0, "index_oid");
    build.blocks_total = row.integer(0, "blocks_total");
    build.blocks_done = row.integer(0, "blocks_done");
    build.tuples_total = row.integer(0, "tuples_total");
    build.tuples_done = row.integer(0, "tuples_done");
    return build;
}

}  // namespace

awaitable<look> look_at(pg::connection& observer_session, int pid) {
    look now;
    const pg::result row = co_await observer_session.query(build_sql, pid);
    if (row.empty()) {
        co_return now;
    }
    if (!row.is_null(0, row.column("command"))) {
        now.build = build_from(row);
    }
    if (!row.boolean(0, "waits")) {
        co_return now;
    }
    const pg::result found = co_await observer_session.query(blockers_sql, pid);
    for (int at = 0; at < found.rows(); ++at) {
        report::blocker one;
        one.pid = static_cast<int>(found.integer(at, "pid"));
        one.other = found.text(at, "other");
        one.user = found.text(at, "usename");
        one.application = found.text(at, "application_name");
        one.state = found.text(at, "state");
        one.age = report::milliseconds(found.integer(at, "age"));
        one.query = found.text(at, "query");
        now.in_a_circle = now.in_a_circle || found.boolean(at, "waits_for_us");
        now.blockers.push_back(std::move(one));
    }
    co_return now;
}

}  // namespace pgeist::watch
