#include <functional>

#include <fmt/format.h>

#include "create_job.hpp"
#include "find_kind.hpp"
#include "make_copy.hpp"
#include "methods.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/settings/options.hpp"
#include "pgeist/steps/store.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/native/engine.hpp"
#include "pgeist/tasks/native/kind.hpp"
#include "pgeist/tasks/native/preparation.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"
#include "rest.hpp"

namespace pgeist::commands {

namespace {

awaitable<std::optional<std::int64_t>> record_native(supervise::session_set& sessions, pg::connection& session,
                                                     const plan::change_request& change, const run::settings& chosen,
                                                     const decision& made) {
    co_await rewrite::wait_for_turn(session);
    auto profile = co_await pg::read_profile(session);
    co_await session.adopt(std::move(profile));
    co_await rewrite::require_sendable(session, plan::to_json(change));
    co_await rewrite::require_sendable(session, run::to_json(chosen));
    co_await job::require_own_state(session, made.table->oid);
    co_await job::claim_table(*sessions.hold, made.table->oid, made.table->name);
    co_await rewrite::make_state(session);
    co_await job::require_own_state(session, made.table->oid);
    native::beginning first;
    first.kind = native::kind_name;
    first.table = made.table->name;
    first.table_oid = made.table->oid;
    plan::change_request found = change;
    found.table = made.table->name;  // whoever goes on with it, with whichever search_path
    first.change = plan::to_json(found);
    first.chosen = chosen;
    first.phase = native::kind().phases().front().name;
    first.steps = made.chosen.steps;
    const job::tenure mine = co_await native::record_job(session, std::move(first));
    co_await job::claim_job(*sessions.hold, mine.job);
    const std::optional<std::int64_t> number = mine.job;
    co_return number;
}

/// The job of a change that is made step by step, committed.
awaitable<job::record> make_native_job(supervise::session_set& sessions, const plan::change_request& change,
                                       const run::settings& chosen, const decision& made) {
    const std::function<awaitable<std::optional<std::int64_t>>(pg::connection&)> making = [&](pg::connection& session) {
        return record_native(sessions, session, change, chosen, made);
    };
    const qualified_name unlocked;  // it waits for no table of the user's
    auto record = co_await create_job(sessions, native::kind(), chosen.reconnect_max, unlocked, making);
    co_return std::move(*record);
}

/// What is left of a job whose next step is a copy: its statements, as a change of their own.
awaitable<plan::change_request> rest_of(supervise::session_set& sessions, const job::record& record) {
    const auto session = co_await sessions.pool.acquire();
    plan::change_request rest = plan::change_request_from_json(record.change);
    const auto all = co_await steps::load_steps(*session, record.id);
    const bool first = std::none_of(all.begin(), all.end(),
                                    [](const steps::stored_step& each) { return each.state == steps::state::done; });
    if (first) {
        co_return rest;
    }
    rest.alters.clear();
    for (const steps::stored_step& each : all) {
        if (each.state != steps::state::done && each.state != steps::state::skipped) {
            rest.alters.push_back(each.what.statement);
        }
    }
    co_return rest;
}

/// The copy has a job: the one that came to it ends, or goes where it has done nothing. In the transaction that makes
/// the copy's job, so that there is always one of the two to be gone on with.
awaitable<void> end_before_copy(pg::connection& session, const job::record& record, std::string rest) {
    const auto all = co_await steps::load_steps(session, record.id);
    const job::tenure mine{record.id, record.incarnation};
    bool first = true;
    for (const steps::stored_step& each : all) {
        const bool over = each.state == steps::state::done || each.state == steps::state::skipped;
        first = first && each.state != steps::state::done;
        if (!over) {
            co_await steps::save_progress(session, mine, each.what.number, steps::state::skipped, 0, rest);
        }
    }
    if (first) {
        co_await job::remove(session, record.id);
        co_return;
    }
    co_await job::save_phase(session, mine, native::kind().phases().back().name);
    co_await job::save_state(session, mine, "done", rest);
}

void tell_step(report::observer& observer, const steps::step& what, const char* state) {
    report::step_event now;
    now.number = what.number;
    now.of = 1;
    now.statement = what.statement;
    now.method = steps::word_of(what.how);
    now.state = state;
    observer.step_changed(now);
}

/// What makes a change a copy's, where that was chosen.
struct reason_for_copy {
    const steps::step* step = nullptr;        ///< to be told as the run's only one
    const job::record* instead_of = nullptr;  ///< the job that came to it
};

awaitable<exit_code> copy(supervise::session_set& sessions, plan::change_request change, run::settings chosen,
                          report::observer& observer, reason_for_copy why) {
    recording besides;
    if (why.instead_of != nullptr) {
        besides = [&why](pg::connection& session, std::int64_t job) {
            return end_before_copy(session, *why.instead_of, fmt::format("the rest is done by a copy, job {}", job));
        };
    }
    auto record = co_await make_copy(sessions, std::move(change), std::move(chosen), observer, besides);
    if (!record && why.instead_of != nullptr) {
        const auto session = co_await sessions.pool.acquire();
        const auto ending = [&] { return end_before_copy(*session, *why.instead_of, "there was nothing left to do"); };
        co_await pg::transaction(*session, pg::isolation::read_committed, ending);
    }
    if (!record) {
        co_return exit_code::done;
    }
    if (why.step != nullptr) {
        tell_step(observer, *why.step, "started");
    }
    sessions.pool.name_sessions(job::session_name(record->id));
    co_await carry_out_and_keep(sessions, rewrite::kind(), std::move(*record), observer);
    if (why.step != nullptr) {
        tell_step(observer, *why.step, "done");
    }
    co_return exit_code::done;
}

/// Carries out a job; where one of steps comes to a copy, that too.
awaitable<exit_code> go_on(supervise::session_set& sessions, const task::kind& kind, job::record record,
                           report::observer& observer) {
    bool by_copy = false;
    sessions.pool.name_sessions(job::session_name(record.id));
    try {
        co_await carry_out_and_keep(sessions, kind, record, observer);
    } catch (const native::needs_copy&) {
        by_copy = true;
    }
    if (by_copy) {
        {
            const auto session = co_await sessions.pool.acquire();
            record = co_await job::load(*session, record.id);  // a connection lost meanwhile has changed its tenure
        }
        plan::change_request rest = co_await rest_of(sessions, record);
        sessions.pool.name_sessions("pgeist");
        run::settings chosen = record.settings;
        chosen.method = run::method_choice::copy;
        reason_for_copy why;
        why.instead_of = &record;
        co_return co_await copy(sessions, std::move(rest), std::move(chosen), observer, why);
    }
    co_return exit_code::done;
}

}  // namespace

awaitable<exit_code> start(pg::connect_options options, plan::change_request change, run::settings chosen,
                           report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    if (copies_anyway(change, chosen)) {
        const reason_for_copy none;
        co_return co_await copy(sessions, std::move(change), std::move(chosen), observer, none);
    }
    decision made;
    {
        const auto session = co_await sessions.pool.acquire();
        co_await job::bring_state_up_to_date(*session);
        made = co_await decide(*session, change, chosen);
    }
    if (made.copy) {
        reason_for_copy why;
        why.step = made.chosen.steps.empty() ? nullptr : &made.chosen.steps.front();
        co_return co_await copy(sessions, std::move(change), std::move(chosen), observer, why);
    }
    if (made.nothing) {
        observer.message(report::level::info, "nothing to do: " + *made.nothing);
        co_return exit_code::done;
    }
    throw_if_refused(made.chosen);
    for (const std::string& each : made.chosen.warnings) {
        observer.message(report::level::warning, each);
    }
    auto record = co_await make_native_job(sessions, change, chosen, made);
    observer.job_started(record.id, record.table.display(), native::kind().labels().strategy);
    co_return co_await go_on(sessions, native::kind(), std::move(record), observer);
}

awaitable<exit_code> resume(pg::connect_options options, std::int64_t job, named_values changes,
                            report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    job = co_await find_leader(sessions.hold->session(), job);
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
        const bool keeps_back = rewrite::is_way_back(kind.labels().name) && !kind.reached(record).in_effect;
        if (keeps_back) {
            // One that was interrupted before its swap is given again: until then the job rests.
            co_await let_rest(*session, kind, record);
        }
        std::string changed;
        for (const auto& [name, value] : changes) {
            run::apply_option(record.settings, name, value);
            changed += (changed.empty() ? "" : ", ") + name + " = " + value;
        }
        co_await rewrite::require_sendable(*session, run::to_json(record.settings));
        if (!keeps_back) {
            co_await job::save_state(*session, mine, "running", "");
        }
        co_await job::save_settings(*session, mine, record.settings);
        co_await job::add_event(*session, job, "resumed", changed);
    }
    observer.job_started(record.id, record.table.display(), kind.labels().strategy);
    co_return co_await go_on(sessions, kind, std::move(record), observer);
}

}  // namespace pgeist::commands
