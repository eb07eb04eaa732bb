#include <functional>

#include "create_job.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/tasks/backfill/kind.hpp"
#include "pgeist/tasks/backfill/preparation.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

namespace {

void tell(const fill::outlook& known, report::observer& observer) {
    if (!known.triggers.empty()) {
        observer.message(report::level::warning,
                         "these triggers fire for each row that is written: " + join(known.triggers, ", "));
    }
    for (const std::string& each : known.warnings) {
        observer.message(report::level::warning, each);
    }
    if (!known.copy_instead.empty()) {
        observer.message(report::level::warning,
                         known.copy_instead + ": pgeist run --repack --set … would leave no bloat (see pgeist plan)");
    }
}

awaitable<std::optional<std::int64_t>> record_backfill(supervise::session_set& sessions, pg::connection& session,
                                                       const fill::request& asked, const run::settings& chosen,
                                                       backfill::preparation& made) {
    made = co_await backfill::prepare(session, sessions.hold.get(), asked, chosen);
    co_return made.job;
}

}  // namespace

awaitable<exit_code> start_backfill(pg::connect_options options, fill::request asked, run::settings chosen,
                                    report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    backfill::preparation made;
    const std::function<awaitable<std::optional<std::int64_t>>(pg::connection&)> making = [&](pg::connection& session) {
        return record_backfill(sessions, session, asked, chosen, made);
    };
    auto record = co_await create_job(sessions, backfill::kind(), chosen.reconnect_max, asked.table, making);
    observer.job_started(record->id, record->table.display(), backfill::kind().labels().strategy);
    observer.phase_started(backfill::kind().phases().front().told);
    tell(made.plan.outlook, observer);
    sessions.pool.name_sessions(job::session_name(record->id));
    co_await supervise::carry_out(sessions, backfill::kind(), std::move(*record), observer);
    co_return exit_code::done;
}

}  // namespace pgeist::commands
