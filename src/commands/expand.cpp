#include <functional>

#include <fmt/format.h>

#include "create_job.hpp"
#include "find_kind.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/settings/options.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/expand/kind.hpp"
#include "pgeist/tasks/expand/preparation.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

namespace {

awaitable<std::optional<std::int64_t>> record_expansion(supervise::session_set& sessions, pg::connection& session,
                                                        const expand::request& asked, const run::settings& chosen,
                                                        expand::preparation& made) {
    made = co_await expand::prepare(session, sessions.hold.get(), asked, chosen);
    co_return made.job;
}

}  // namespace

awaitable<exit_code> start_expansion(pg::connect_options options, expand::request asked, run::settings chosen,
                                     report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    expand::preparation made;
    const std::function<awaitable<std::optional<std::int64_t>>(pg::connection&)> making = [&](pg::connection& session) {
        return record_expansion(sessions, session, asked, chosen, made);
    };
    auto record = co_await create_job(sessions, expand::kind(), chosen.reconnect_max, asked.table, making);
    observer.job_started(record->id, record->table.display(), expand::kind().labels().strategy);
    observer.phase_started(expand::kind().phases().front().told);
    for (const std::string& each : made.warnings) {
        observer.message(report::level::warning, each);
    }
    sessions.pool.name_sessions(job::session_name(record->id));
    co_await supervise::carry_out(sessions, expand::kind(), std::move(*record), observer);
    co_return exit_code::done;
}

awaitable<exit_code> contract(pg::connect_options options, std::int64_t job, expand::contraction what,
                              named_values changes, report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    const task::kind* found = co_await find_kind(sessions.hold->session(), job);
    if (found != &expand::kind()) {
        throw error(exit_code::refused, fmt::format("job {} is no expansion: there is nothing to contract", job), "");
    }
    job::record record = co_await supervise::take_over(sessions, *found, job);
    for (const auto& [name, value] : changes) {
        run::apply_option(record.settings, name, value);
    }
    observer.job_started(record.id, record.table.display(), found->labels().strategy);
    report::phase now;
    now.name = "contract";
    now.lock = "ACCESS EXCLUSIVE, milliseconds, under lock_timeout";
    observer.phase_started(now);
    co_await expand::contract(sessions.pool, record, what, observer);
    co_return exit_code::done;
}

}  // namespace pgeist::commands
