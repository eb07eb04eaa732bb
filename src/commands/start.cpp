#include <fmt/format.h>

#include "find_kind.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/settings/options.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

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

/// The shadow, made and committed; nullopt when the table has the change already.
awaitable<std::optional<job::record>> make_job(supervise::session_set& sessions, plan::change_request change,
                                               run::settings chosen, report::observer& observer) {
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

}  // namespace

awaitable<exit_code> start(pg::connect_options options, plan::change_request change, run::settings chosen,
                           report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    auto record = co_await make_job(sessions, std::move(change), std::move(chosen), observer);
    if (record) {
        sessions.pool.name_sessions(job::session_name(record->id));
        co_await supervise::carry_out(sessions, rewrite::kind(), std::move(*record), observer);
    }
    co_return exit_code::done;
}

awaitable<exit_code> resume(pg::connect_options options, std::int64_t job, named_values changes,
                            report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    const task::kind* found = co_await find_kind(sessions.hold->session(), job);
    const task::kind& kind = *found;
    job::record record = co_await supervise::take_over(sessions, kind, job, job::requests::forget);
    if (kind.is_done(kind.reached(record))) {
        if (record.state != "done") {  // the run ended before it could say so
            const auto session = co_await sessions.pool.acquire();
            const job::tenure mine{job, record.incarnation};
            co_await job::save_state(*session, mine, "done", "");
        }
        observer.message(report::level::info, fmt::format("job {} is done already", job));
        co_return exit_code::done;
    }
    if (!record.plan) {
        throw error(exit_code::refused, fmt::format("job {} was interrupted before its shadow table was made", job),
                    fmt::format("remove it with: pgeist cleanup {}, and run again", job));
    }
    {
        const auto session = co_await sessions.pool.acquire();
        const job::tenure mine{job, record.incarnation};
        std::string changed;
        for (const auto& [name, value] : changes) {
            run::apply_option(record.settings, name, value);
            changed += (changed.empty() ? "" : ", ") + name + " = " + value;
        }
        co_await rewrite::require_sendable(*session, run::to_json(record.settings));
        co_await job::save_state(*session, mine, "running", "");
        co_await job::save_settings(*session, mine, record.settings);
        co_await job::add_event(*session, job, "resumed", changed);
    }
    observer.job_started(record.id, record.table.display(), kind.labels().strategy);
    co_await supervise::carry_out(sessions, kind, std::move(record), observer);
    co_return exit_code::done;
}

}  // namespace pgeist::commands
