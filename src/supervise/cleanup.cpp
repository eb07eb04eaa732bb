#include "pgeist/supervise/cleanup.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/files.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/task/cleanable.hpp"

namespace pgeist::supervise {

namespace {

awaitable<void> drop_state(pg::connection& session) {
    static_cast<void>(co_await job::guard_state(session));
    co_await session.execute("LOCK TABLE pgeist.jobs IN ACCESS EXCLUSIVE MODE NOWAIT");
    const pg::result row = co_await session.query("SELECT EXISTS (SELECT FROM pgeist.jobs)");
    const bool history = co_await job::has_history(session);
    if (!row.boolean(0, 0) && !history) {
        co_await session.execute("DROP SCHEMA pgeist CASCADE");
    }
}

/// The state schema goes with its last job, so that nothing of pgeist is left in the database; but for the history of
/// migration files, which are not to be run again.
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
    const bool own_state = co_await job::is_own_state(*session);
    co_await job::claim_job(hold, job);
    const auto reading = [&] { return task::read_leftovers(*session, job); };
    const task::leftovers left = co_await job::guarded(*session, reading);  // now: a run may just have ended
    if (!own_state) {
        co_await task::require_cleanable(*session, kind, job, left);
    }
    co_await job::end_orphans(*session, job);
    // A run that has lost its hold without knowing must not make its objects anew; and should ours be lost, whoever
    // takes the job on then must keep what is his: each transaction of an undo looks whether the job is still ours.
    co_await session->execute("SET lock_timeout = '60s'");
    const auto beginning = [&] { return job::begin_tenure(*session, job); };
    job::tenure mine = co_await job::guarded(*session, beginning);
    mine.guarded = !own_state;
    const auto keeping = [&] { return job::keep_file(*session, job); };
    co_await job::guarded(*session, keeping);
    task::undo_context at{pool, *session, hold, mine, own_state, left.table, left.table_oid, observer};
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
