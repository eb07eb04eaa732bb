#include "pgeist/job/take_on.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"

namespace pgeist::job {

namespace {

/// What somebody else's transaction on the job (a cleanup, a statement of an orphan of another role) may take.
constexpr const char* longest_wait = "60s";

}  // namespace

awaitable<void> require_not_restored(pg::connection& session, const record& what) {
    const pg::result row = co_await session.query(
        "SELECT EXISTS (SELECT FROM pgeist.jobs j WHERE j.id = $1 AND " + restored_condition("j") + ")", what.id);
    if (row.boolean(0, 0)) {
        const std::string subject = what.table_oid == 0 ? "what it was to change" : what.table.display();
        throw error(exit_code::refused,
                    fmt::format("job {} is not at work in this database: it was restored here from a dump of the one "
                                "where it is",
                                what.id),
                    fmt::format("{} is complete here; remove what the dump has brought of the job with: pgeist "
                                "cleanup {}",
                                subject, what.id));
    }
}

awaitable<void> take_on(pg::connection& session, std::int64_t job, const std::vector<record>& others,
                        const std::vector<qualified_name>& written, requests what) {
    co_await end_orphans(session, job);
    co_await session.execute(fmt::format("SET lock_timeout = '{}'", longest_wait));
    co_await begin_tenure(session, job, what);
    for (const record& each : others) {
        co_await begin_tenure(session, each.id, what);
    }
    for (const qualified_name& each : written) {
        const pg::result there = co_await session.query("SELECT to_regclass($1) IS NOT NULL", each.sql());
        if (!there.boolean(0, 0)) {
            continue;  // others have dropped or renamed it
        }
        // What an orphan of another role still does to it ends before this lock is ours.
        co_await session.execute(
            fmt::format("BEGIN; SET LOCAL lock_timeout = '{}'; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE; COMMIT",
                        longest_wait, each.sql()));
    }
}

}  // namespace pgeist::job
