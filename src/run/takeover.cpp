#include "takeover.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::run {

namespace {

/// What somebody else's transaction on the job (a cleanup, a statement of an orphan of another role) may take.
constexpr const char* longest_wait = "60s";

awaitable<std::optional<job::holder>> take_both(session_set& sessions, const job::record& what, std::string& name) {
    name = fmt::format("job {}", what.id);
    auto by = co_await sessions.hold->take_job(what.id);
    if (!by) {
        name = fmt::format("table {}", what.table.display());
        by = co_await sessions.hold->take_table(what.table_oid);
    }
    co_return by;
}

awaitable<void> take_locks(session_set& sessions, const job::record& what, int lost_pid) {
    std::string name;
    auto by = co_await take_both(sessions, what, name);
    if (by && lost_pid != 0 && by->pid == lost_pid) {
        co_await job::end_backend(sessions.hold->session(), lost_pid);
        by = co_await take_both(sessions, what, name);
    }
    if (by) {
        job::throw_held(name, *by);
    }
}

}  // namespace

awaitable<void> open_hold(session_set& sessions) {
    auto session = co_await sessions.pool.open_own("pgeist");
    sessions.hold = std::make_unique<job::hold>(std::move(session));
}

awaitable<job::record> take_over(session_set& sessions, std::int64_t job, int lost_pid) {
    const auto session = co_await sessions.pool.acquire();
    const job::record before = co_await job::load(*session, job);
    co_await take_locks(sessions, before, lost_pid);
    co_await job::end_orphans(*session, job);
    co_await session->execute(fmt::format("SET lock_timeout = '{}'", longest_wait));
    co_await job::begin_tenure(*session, job);
    if (before.blueprint && !before.swapped) {
        // What an orphan of another role still does to the shadow ends before this lock is ours.
        co_await session->execute(
            fmt::format("BEGIN; SET LOCAL lock_timeout = '{}'; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE; COMMIT",
                        longest_wait, before.blueprint->shadow().sql()));
    }
    job::record now = co_await job::load(*session, job);
    sessions.pool.name_sessions(job::session_name(job));
    co_return now;
}

}  // namespace pgeist::run
