#include "make_copy.hpp"

#include <functional>

#include "create_job.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/tasks/group/kind.hpp"
#include "pgeist/tasks/registry.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

namespace {

awaitable<std::optional<std::int64_t>> record_copy(supervise::session_set& sessions, pg::connection& session,
                                                   const plan::change_request& change, const run::settings& chosen,
                                                   const recording& besides, const task::kind& kind,
                                                   rewrite::preparation& made) {
    const std::string& name = kind.labels().name;
    made = co_await rewrite::prepare(session, sessions.hold.get(), change, chosen, name);
    rewrite::throw_if_refused(made.findings);
    std::optional<std::int64_t> number;
    if (made.nothing_to_do) {
        co_return number;
    }
    number = made.job;
    if (besides) {
        co_await besides(session, made.job);
    }
    co_return number;
}

}  // namespace

void tell_warnings(const rewrite::preparation& made, report::observer& observer) {
    for (const std::string& each : rewrite::all_warnings(made)) {
        observer.message(report::level::warning, each);
    }
}

awaitable<std::optional<job::record>> make_copy(supervise::session_set& sessions, plan::change_request change,
                                                run::settings chosen, report::observer& observer, recording besides,
                                                const task::kind& kind) {
    rewrite::preparation made;
    const std::function<awaitable<std::optional<std::int64_t>>(pg::connection&)> making = [&](pg::connection& session) {
        return record_copy(sessions, session, change, chosen, besides, kind, made);
    };
    auto record = co_await create_job(sessions, kind, chosen.reconnect_max, change.table, making);
    if (!record) {
        observer.message(report::level::info, "nothing to do: " + *made.nothing_to_do);
        co_return record;
    }
    observer.job_started(record->id, record->table.display(), kind.labels().strategy);
    observer.phase_started(kind.phases().front().told);
    tell_warnings(made, observer);
    co_return record;
}

awaitable<void> carry_out_and_keep(supervise::session_set& sessions, const task::kind& kind, job::record record,
                                   report::observer& observer) {
    const std::int64_t job = record.id;
    const bool swaps = &kind == &rewrite::kind() || &kind == &group::kind();
    if (!swaps || !record.settings.revertible || !record.settings.revert_window) {
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
    if (rewrite::is_way_back(now.kind)) {
        const task::kind& next = tasks::kind_named(now.kind, job);
        co_await supervise::carry_out(sessions, next, std::move(now), observer);
    }
}

}  // namespace pgeist::commands
