#include "pgeist/swap/old_snapshots.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "pgeist/job/advisory_locks.hpp"

namespace pgeist::swap {

namespace {

// Autovacuum holds an xmin too, but reads no rows of this table by it; nor do the sessions of a job, this one or
// another, which copy or build for as long as it takes. They are known by their name and by the lock on the job of that
// number, which a session of the same login holds: a name alone anybody can have. Walsenders with a database may have
// made a snapshot with their slot, to copy tables by it, or for others to import; standbys' have none: see
// standby_snapshots. Between the statements of a READ COMMITTED transaction no snapshot is held, so backend_xmin is
// null then. Without pg_read_all_stats, backend_type and xact_start of others are null, backend_xmin is not; which
// transaction it is, is then told by its virtual id, from pg_locks, which is only read where that is needed. A
// transaction may have several snapshots (cursors): xmin is the oldest one's, and may pass while another one is still
// too old. Parameter: the transaction that no old snapshot's xmin goes beyond; NULL: all are old.
constexpr const char* snapshots_text = R"sql(
    WITH holding AS MATERIALIZED (
        SELECT a.* FROM pg_stat_activity a
         WHERE a.pid <> pg_backend_pid() AND a.datname = current_database() AND a.backend_xmin IS NOT NULL
           AND a.usesysid IS NOT NULL
           AND coalesce(a.backend_type, '') <> 'autovacuum worker'
           AND NOT CASE WHEN a.application_name ~ '^pgeist job [0-9]{{1,9}}$' THEN {} ELSE false END),
    hidden AS (
        SELECT l.pid, l.virtualtransaction FROM pg_locks l
         WHERE l.locktype = 'virtualxid' AND l.granted AND l.mode = 'ExclusiveLock'
           AND EXISTS (SELECT FROM holding WHERE xact_start IS NULL))
    SELECT a.pid, coalesce(a.xact_start::text, l.virtualtransaction, '') AS transaction,
           pg_snapshot_xmax(pg_current_snapshot())::xid::text AS next,
           coalesce(age(a.backend_xmin) >= age($1::text::xid), true) AS old,
           coalesce(a.state = 'active' AND a.xact_start >= a.query_start, false) AS single_statement,
           coalesce(a.usename, '?') AS usename, coalesce(a.application_name, '') AS application_name,
           coalesce(a.state, '?') AS state, left(regexp_replace(coalesce(a.query, ''), '\s+', ' ', 'g'), 200) AS query,
           coalesce(extract(epoch FROM clock_timestamp() - a.xact_start) * 1000, 0)::bigint AS age
    FROM holding a LEFT JOIN hidden l ON l.pid = a.pid AND a.xact_start IS NULL)sql";

std::string snapshots_query() {
    const std::string holder =
        job::held_by_condition("substr(a.application_name, 12)",
                               "SELECT h.pid FROM pg_stat_activity h WHERE h.pid = l.pid AND h.usesysid = a.usesysid");
    return fmt::format(snapshots_text, holder);
}

report::blocker holder_in(const pg::result& found, int row) {
    report::blocker blocker;
    blocker.pid = static_cast<int>(found.integer(row, "pid"));
    blocker.user = found.text(row, "usename");
    blocker.application = found.text(row, "application_name");
    blocker.state = found.text(row, "state");
    blocker.age = report::milliseconds(found.integer(row, "age"));
    blocker.query = found.text(row, "query");
    return blocker;
}

}  // namespace

awaitable<std::vector<report::blocker>> old_snapshots::held_between_statements(pg::connection& session) {
    const std::optional<std::string> none;
    const pg::result found = co_await session.query(snapshots_query(), none);
    std::vector<report::blocker> holders;
    for (int row = 0; row < found.rows(); ++row) {
        if (found.text(row, "state").starts_with("idle in transaction")) {
            holders.push_back(holder_in(found, row));
        }
    }
    co_return holders;
}

awaitable<old_snapshots> old_snapshots::taken_now(pg::connection& session, of whom) {
    const std::optional<std::string> none;
    const pg::result found = co_await session.query(snapshots_query(), none);
    old_snapshots now;
    for (int row = 0; row < found.rows(); ++row) {
        if (whom == of::those_who_go_on && found.boolean(row, "single_statement")) {
            continue;
        }
        holder each{found.text(row, "pid"), found.text(row, "transaction")};
        now.limit_ = found.text(row, "next");
        now.holders_.push_back(std::move(each));
        now.note_state(found.text(row, "state"));
    }
    co_return now;
}

awaitable<std::vector<report::blocker>> old_snapshots::still_held(pg::connection& session) {
    std::vector<report::blocker> blockers;
    if (holders_.empty()) {
        co_return blockers;
    }
    blockers = co_await look(session, whose::of_known);
    if (blockers.empty() && may_be_imported_ && !std::exchange(importers_too_, true)) {
        blockers = co_await look(session, whose::of_anybody);
    }
    co_return blockers;
}

/// Between its statements only a snapshot is held that lasts as long as the transaction, or a cursor: that others can
/// import, once it was exported.
void old_snapshots::note_state(const std::string& state) { may_be_imported_ = may_be_imported_ || state != "active"; }

awaitable<std::vector<report::blocker>> old_snapshots::look(pg::connection& session, whose wanted) {
    const std::optional<std::string> limit = limit_;
    const pg::result found = co_await session.query(snapshots_query(), limit);
    std::vector<report::blocker> blockers;
    std::vector<holder> left;
    for (int row = 0; row < found.rows(); ++row) {
        holder same{found.text(row, "pid"), found.text(row, "transaction")};
        const bool known = std::find(holders_.begin(), holders_.end(), same) != holders_.end();
        if (!(known || wanted == whose::of_anybody) || !found.boolean(row, "old")) {
            continue;
        }
        left.push_back(std::move(same));
        note_state(found.text(row, "state"));
        blockers.push_back(holder_in(found, row));
    }
    holders_ = std::move(left);
    co_return blockers;
}

}  // namespace pgeist::swap
