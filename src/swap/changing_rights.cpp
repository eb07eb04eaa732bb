#include "pgeist/swap/changing_rights.hpp"

namespace pgeist::swap {

namespace {

// Whoever changes a row of the catalogs leaves his number in the version that all others still see, and holds the lock
// on that number until he ends. Mostly there is no such number, and pg_locks is not looked at.
constexpr const char* changing_sql = R"sql(
    WITH changed AS MATERIALIZED (
        SELECT xmax AS xid FROM pg_attribute WHERE attrelid = $1::bigint::oid AND xmax <> 0
        UNION
        SELECT xmax FROM pg_class WHERE oid = $1::bigint::oid AND xmax <> 0)
    SELECT coalesce(l.pid, 0) AS pid, coalesce(a.usename, '') AS usename, coalesce(a.application_name, '') AS application_name,
           coalesce(a.state, '') AS state, coalesce(a.query, '') AS query,
           coalesce((extract(epoch FROM clock_timestamp() - a.xact_start) * 1000)::bigint, 0) AS age
      FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE EXISTS (SELECT FROM changed) AND l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock'
       AND l.transactionid IN (SELECT xid FROM changed) AND l.pid IS DISTINCT FROM pg_backend_pid()
     ORDER BY 1)sql";

}  // namespace

awaitable<std::vector<report::blocker>> changing_rights(pg::inquiry& ask, std::int64_t table_oid) {
    const pg::connection::kept_plans keep(ask.session());
    const pg::result found = co_await ask.ask(changing_sql, table_oid);
    std::vector<report::blocker> blockers;
    for (int row = 0; row < found.rows(); ++row) {
        report::blocker each;
        each.pid = static_cast<int>(found.integer(row, "pid"));
        each.other = each.pid == 0 ? "a prepared transaction that has changed the rights on the table" : "";
        each.user = found.text(row, "usename");
        each.application = found.text(row, "application_name");
        each.state = found.text(row, "state");
        each.age = report::milliseconds(found.integer(row, "age"));
        each.query = found.text(row, "query");
        blockers.push_back(std::move(each));
    }
    co_return blockers;
}

}  // namespace pgeist::swap
