#include "pgeist/supervise/cleanup.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/pg/transaction.hpp"

namespace pgeist::supervise {

namespace {

/// The user's table by its OID: it may have another name by now, and the plan may be of another version.
awaitable<void> find_table(task::undoing& at) {
    const pg::result row = co_await at.session.query(
        "SELECT table_oid::bigint AS table_oid, n.nspname, c.relname FROM pgeist.jobs j "
        "LEFT JOIN pg_class c ON c.oid = j.table_oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE j.id = "
        "$1",
        at.mine.job);
    at.table.schema = row.text(0, "nspname");  // empty when the table is gone
    at.table.name = row.text(0, "relname");
    at.table_oid = row.integer(0, "table_oid");
}

awaitable<void> drop_state(pg::connection& session) {
    co_await session.execute("LOCK TABLE pgeist.jobs IN ACCESS EXCLUSIVE MODE NOWAIT");
    const pg::result row = co_await session.query("SELECT EXISTS (SELECT FROM pgeist.jobs)");
    if (!row.boolean(0, 0)) {
        co_await session.execute("DROP SCHEMA pgeist CASCADE");
    }
}

/// The state schema goes with its last job, so that nothing of pgeist is left in the database.
awaitable<void> drop_state_if_unused(pg::connection& session) {
    const auto removal = [&] { return drop_state(session); };
    try {
        co_await pg::transaction(session, pg::isolation::read_committed, removal);
    } catch (const pg::sql_error&) {
        co_return;  // somebody uses it, or it may not be dropped by us: it stays
    }
}

}  // namespace

awaitable<void> clean_job(pg::pool& pool, job::advisory_locks& hold, const task::kind& kind, std::int64_t job,
                          report::observer& observer) {
    pool.close_idle();  // ours may have the name of the orphans
    pool.name_sessions("pgeist");
    co_await job::bring_state_up_to_date(hold.session());
    const auto session = co_await pool.acquire();
    const auto job_holder = co_await hold.take_job(job);
    if (job_holder) {
        job::throw_held(fmt::format("job {}", job), *job_holder);
    }
    co_await job::end_orphans(*session, job);
    // A run that has lost its hold without knowing must not make its objects anew; and should ours be lost, whoever
    // takes the job on then must keep what is his: each transaction of an undo looks whether the job is still ours.
    co_await session->execute("SET lock_timeout = '60s'");
    const job::tenure mine = co_await job::begin_tenure(*session, job);
    task::undoing at{pool, *session, hold, mine, {}, 0, observer};
    co_await find_table(at);
    for (auto phase = kind.phases().rbegin(); phase != kind.phases().rend(); ++phase) {
        if (phase->undo != nullptr) {
            co_await phase->undo(at);
        }
    }
    observer.message(report::level::info, fmt::format("job {} is cleaned up", job));
}

awaitable<void> clean_state(pg::pool& pool) {
    const auto session = co_await pool.acquire();
    co_await drop_state_if_unused(*session);
}

}  // namespace pgeist::supervise
