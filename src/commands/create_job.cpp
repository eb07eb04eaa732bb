#include "create_job.hpp"

#include "pgeist/job/state_schema.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

awaitable<std::optional<job::record>> create_job(
    supervise::session_set& sessions, const task::kind& kind, std::chrono::milliseconds longest, qualified_name table,
    std::function<awaitable<std::optional<std::int64_t>>(pg::connection&)> make) {
    const auto session = co_await sessions.pool.acquire();
    std::optional<job::record> record;
    std::exception_ptr failure;
    supervise::pending_creation when;
    bool committed = false;
    bool in_doubt = false;
    bool not_readable = false;
    // In a transaction of its own: its lock would be in the way of the session that holds the job's.
    co_await job::bring_state_up_to_date(*session);
    try {
        co_await session->begin();
        co_await session->execute("SET LOCAL lock_timeout = '5s'");
        const std::optional<std::int64_t> made = co_await make(*session);
        if (!made) {
            co_await session->rollback();
            co_return record;
        }
        when = co_await supervise::note_creation(sessions, *session, *made);
        co_await session->commit();
        committed = true;
        record = co_await job::load(*session, *made);
    } catch (const pg::sql_error& problem) {
        in_doubt = problem.outcome_unknown() || (committed && problem.poisons_connection());
        not_readable = !committed && problem.is(pg::sqlstate::lock_not_available) && !table.name.empty();
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    if (in_doubt) {
        record = co_await supervise::resolve_creation(sessions, kind, when, longest);
    } else if (failure) {
        co_await session->rollback();
        if (not_readable) {
            co_await rewrite::throw_not_readable(*session, table);
        }
        std::rethrow_exception(failure);
    }
    co_return record;
}

awaitable<void> try_on_table(pg::connection& session, qualified_name table, std::function<awaitable<void>()> trial) {
    bool not_readable = false;
    const auto bounded = [&]() -> awaitable<void> {
        co_await session.execute("SET LOCAL lock_timeout = '5s'");
        co_await trial();
    };
    try {
        co_await pg::rolled_back(session, bounded);
    } catch (const pg::sql_error& problem) {
        not_readable = problem.is(pg::sqlstate::lock_not_available);
        if (!not_readable) {
            throw;
        }
    }
    if (not_readable) {
        co_await rewrite::throw_not_readable(session, table);
    }
}

}  // namespace pgeist::commands
