#include "pgeist/swap/standby_snapshots.hpp"

namespace pgeist::swap {

namespace {

constexpr const char* next_query = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";

// An xmin has 32 bits: its distance from the next number tells the rest. Where a transaction older than $1 is still
// open here, a standby reports that one's number at best, whatever its queries see. Sessions with a database are
// logical walsenders, which are looked at as other sessions are. A slot that nobody uses tells of a standby that is not
// there.
constexpr const char* held_query = R"sql(
    WITH now AS (
        SELECT pg_snapshot_xmax(s)::text::bigint AS next, pg_snapshot_xmin(s)::text::bigint AS oldest
        FROM pg_current_snapshot() AS s),
    reported AS (
        SELECT r.pid, coalesce(nullif(r.application_name, ''), host(r.client_addr), '?') AS name,
               coalesce(r.usename, '?') AS usename, r.backend_xmin AS xmin
        FROM pg_stat_replication r JOIN pg_stat_activity a ON a.pid = r.pid
        WHERE a.datid IS NULL AND r.backend_xmin IS NOT NULL
        UNION ALL
        SELECT s.active_pid, s.slot_name, coalesce(a.usename, '?'), s.xmin
        FROM pg_replication_slots s LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
        WHERE s.slot_type = 'physical' AND s.active AND s.xmin IS NOT NULL),
    aged AS (
        SELECT name, usename, next, oldest, ((next - xmin::text::bigint) & 4294967295) AS distance FROM reported, now)
    SELECT DISTINCT name, usename, distance FROM aged
    WHERE distance < 2147483648 AND next - distance < least($1::bigint, oldest)
    ORDER BY distance DESC)sql";

}  // namespace

awaitable<standby_snapshots> standby_snapshots::older_than_now(pg::connection& session) {
    const pg::result row = co_await session.query(next_query);
    standby_snapshots now;
    now.needed_ = row.integer(0, 0);
    co_return now;
}

awaitable<std::vector<report::blocker>> standby_snapshots::still_held(pg::connection& session) const {
    const pg::result found = co_await session.query(held_query, needed_);
    std::vector<report::blocker> blockers;
    for (int row = 0; row < found.rows(); ++row) {
        report::blocker each;
        each.other = "standby " + found.text(row, "name");
        each.user = found.text(row, "usename");
        each.state = "hot_standby_feedback";
        each.query = "it reports a snapshot of " + found.text(row, "distance") +
                     " transactions ago: a query there, or its delay";
        blockers.push_back(std::move(each));
    }
    co_return blockers;
}

}  // namespace pgeist::swap
