#include "make_copy.hpp"

#include "pgeist/core/error.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"
#include "pgeist/tasks/way_back/kind.hpp"

namespace pgeist::commands {

namespace {

void tell(const std::vector<check::finding>& findings, const std::vector<std::string>& warnings,
          report::observer& observer) {
    for (const check::finding& each : findings) {
        if (each.severity == check::severity::warn) {
            observer.message(report::level::warning,
                             each.hint.empty() ? each.message : each.message + "; " + each.hint);
        }
    }
    for (const std::string& each : warnings) {
        observer.message(report::level::warning, each);
    }
}

}  // namespace

awaitable<std::optional<job::record>> make_copy(supervise::session_set& sessions, plan::change_request change,
                                                run::settings chosen, report::observer& observer,
                                                std::optional<job::file_run> file) {
    const auto session = co_await sessions.pool.acquire();
    std::exception_ptr failure;
    rewrite::preparation made;
    std::optional<job::record> record;
    supervise::pending_creation when;
    bool committed = false;
    bool in_doubt = false;
    bool not_readable = false;
    // In a transaction of its own: its lock would be in the way of the session that holds the job's.
    co_await job::bring_state_up_to_date(*session);
    try {
        co_await session->begin();
        co_await session->execute("SET LOCAL lock_timeout = '5s'");
        made = co_await rewrite::prepare(*session, sessions.hold.get(), change, chosen);
        rewrite::throw_if_refused(made.findings);
        if (made.nothing_to_do) {
            co_await session->rollback();
            observer.message(report::level::info, "nothing to do: " + *made.nothing_to_do);
            co_return record;
        }
        if (file) {
            file->job = made.job;
            co_await job::note_file(*session, *file);
        }
        when = co_await supervise::note_creation(sessions, *session, made.job);
        co_await session->commit();
        committed = true;
        record = co_await job::load(*session, made.job);
    } catch (const pg::sql_error& problem) {
        in_doubt = problem.outcome_unknown() || (committed && problem.poisons_connection());
        not_readable = !committed && problem.is(pg::sqlstate::lock_not_available);
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    if (in_doubt) {
        record = co_await supervise::resolve_creation(sessions, rewrite::kind(), when, chosen.reconnect_max);
    } else if (failure) {
        co_await session->rollback();
        if (not_readable) {
            co_await rewrite::throw_not_readable(*session, change.table);
        }
        std::rethrow_exception(failure);
    }
    observer.job_started(record->id, record->table.display(), rewrite::kind().labels().strategy);
    observer.phase_started(rewrite::kind().phases().front().told);
    tell(made.findings, made.warnings, observer);
    co_return record;
}

awaitable<void> carry_out_and_keep(supervise::session_set& sessions, const task::kind& kind, job::record record,
                                   report::observer& observer) {
    const std::int64_t job = record.id;
    if (&kind != &rewrite::kind() || !record.settings.revertible || !record.settings.revert_window) {
        co_await supervise::carry_out(sessions, kind, std::move(record), observer);
        co_return;
    }
    // Beside this coroutine: what has come to its end cannot be cancelled any more, and what follows must be.
    std::vector<awaitable<void>> first;
    first.push_back(supervise::carry_out(sessions, kind, std::move(record), observer));
    co_await pg::run_all(std::move(first));
    job::record now;
    {
        const auto session = co_await sessions.pool.acquire();
        now = co_await job::load(*session, job);
    }
    if (now.kind == way_back::kind().labels().name) {
        co_await supervise::carry_out(sessions, way_back::kind(), std::move(now), observer);
    }
}

}  // namespace pgeist::commands
