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

/// Longer than the server lets autovacuum stand in the way (deadlock_timeout): our tables are often being analyzed when
/// a job ends.
constexpr const char* wait_for_readers = "SET LOCAL lock_timeout = '5s'";

awaitable<bool> is_state_unused(pg::connection& session) {
    const bool present = co_await job::guard_state(session);
    if (!present) {
        co_return false;
    }
    const pg::result row = co_await session.query("SELECT EXISTS (SELECT FROM pgeist.jobs)");
    const bool history = co_await job::has_history(session);
    co_return !row.boolean(0, 0) && !history;
}

awaitable<void> drop_state(pg::connection& session) {
    co_await session.execute(wait_for_readers);
    co_await session.execute("LOCK TABLE pgeist.jobs IN ACCESS EXCLUSIVE MODE");
    const bool unused = co_await is_state_unused(session);  // a run may have begun meanwhile
    if (unused) {
        co_await session.execute("DROP SCHEMA pgeist CASCADE");
    }
}

/// The state schema goes with its last job, so that nothing of pgeist is left in the database; but for the history of
/// migration files, which are not to be run again. While there are jobs nobody has to wait for us.
awaitable<void> drop_state_if_unused(pg::connection& session) {
    const auto looking = [&] { return is_state_unused(session); };
    const bool unused = co_await pg::transaction(session, pg::isolation::read_committed, looking);
    if (unused) {
        const auto removal = [&] { return drop_state(session); };
        co_await pg::transaction(session, pg::isolation::read_committed, removal);
    }
}

/// Others have dropped it, or it is not ours to drop.
bool is_others_business(const pg::sql_error& failure) {
    return failure.is(pg::sqlstate::insufficient_privilege) || failure.is(pg::sqlstate::undefined_table) ||
           failure.is(pg::sqlstate::invalid_schema_name);
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

awaitable<void> clean_state(pg::pool& pool, report::observer& observer) {
    const auto session = co_await pool.acquire();
    try {
        co_await drop_state_if_unused(*session);
    } catch (const pg::sql_error& failure) {
        if (!is_others_business(failure)) {
            observer.message(report::level::warning,
                             fmt::format("schema pgeist is left, empty: {}; when nobody uses it any more: pgeist "
                                         "cleanup --all drops it",
                                         failure.what()));
        }
    }
}

}  // namespace pgeist::supervise
