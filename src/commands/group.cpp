#include <algorithm>
#include <functional>

#include "create_job.hpp"
#include "make_group.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/tasks/group/kind.hpp"
#include "pgeist/tasks/group/preparation.hpp"
#include "pgeist/tasks/group/rehearsal.hpp"
#include "pgeist/tasks/rehearse/kind.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"

namespace pgeist::commands {

namespace {

void throw_if_refused(const std::vector<rewrite::preparation>& made) {
    std::vector<check::finding> all;
    for (const rewrite::preparation& each : made) {
        all.insert(all.end(), each.findings.begin(), each.findings.end());
    }
    rewrite::throw_if_refused(all);
}

awaitable<std::optional<std::int64_t>> record_group(supervise::session_set& sessions, pg::connection& session,
                                                    const plan::group_request& what, const run::settings& chosen,
                                                    const recording& besides, group::purpose aim,
                                                    std::vector<rewrite::preparation>& made) {
    made = co_await group::prepare(session, sessions.hold.get(), what, chosen, aim);
    throw_if_refused(made);
    const bool any_done = std::any_of(made.begin(), made.end(),
                                      [](const rewrite::preparation& each) { return each.nothing_to_do.has_value(); });
    std::optional<std::int64_t> number;
    if (any_done) {
        co_return number;
    }
    number = made.front().job;
    if (besides) {
        co_await besides(session, made.front().job);
    }
    co_return number;
}

/// Leaves out the tables that have their change already.
plan::group_request what_is_left(plan::group_request what, const std::vector<rewrite::preparation>& made,
                                 report::observer& observer) {
    plan::group_request left;
    for (std::size_t place = 0; place < made.size(); ++place) {
        if (made[place].nothing_to_do) {
            observer.message(report::level::info, "nothing to do: " + *made[place].nothing_to_do);
        } else {
            left.members.push_back(std::move(what.members[place]));
        }
    }
    return left;
}

awaitable<std::optional<job::record>> record_all(supervise::session_set& sessions, const plan::group_request& what,
                                                 const run::settings& chosen, const recording& besides,
                                                 group::purpose aim, const task::kind& kind,
                                                 std::vector<rewrite::preparation>& made) {
    const std::function<awaitable<std::optional<std::int64_t>>(pg::connection&)> making = [&](pg::connection& session) {
        return record_group(sessions, session, what, chosen, besides, aim, made);
    };
    auto record = co_await create_job(sessions, kind, chosen.reconnect_max, what.members.front().change.table, making);
    co_return record;
}

}  // namespace

awaitable<std::optional<job::record>> make_group(supervise::session_set& sessions, plan::group_request what,
                                                 run::settings chosen, report::observer& observer,
                                                 const task::kind*& kind, recording besides, group::purpose aim) {
    const bool rehearsed = aim == group::purpose::rehearsal;
    std::vector<rewrite::preparation> made;
    std::optional<job::record> record;
    kind = rehearsed ? &group::rehearsal_kind() : &group::kind();
    while (!record && what.members.size() > 1) {
        record = co_await record_all(sessions, what, chosen, besides, aim, *kind, made);
        if (!record) {
            what = what_is_left(std::move(what), made, observer);
            co_await supervise::open_hold(sessions);  // the locks of those that are left out go with it
        }
    }
    if (!record && what.members.empty()) {
        co_return record;
    }
    if (!record) {
        kind = rehearsed ? &rehearse::kind() : &rewrite::kind();
        record = co_await make_copy(sessions, std::move(what.members.front().change), std::move(chosen), observer,
                                    std::move(besides), *kind);
        co_return record;
    }
    observer.job_started(record->id, record->table.display(), kind->labels().strategy);
    observer.phase_started(kind->phases().front().told);
    for (const rewrite::preparation& each : made) {
        tell_warnings(each, observer);
    }
    co_return record;
}

awaitable<exit_code> start_group(pg::connect_options options, plan::group_request what, run::settings chosen,
                                 report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    const task::kind* kind = nullptr;
    auto record = co_await make_group(sessions, std::move(what), std::move(chosen), observer, kind);
    if (record) {
        sessions.pool.name_sessions(job::session_name(record->id));
        co_await carry_out_and_keep(sessions, *kind, std::move(*record), observer);
    }
    co_return exit_code::done;
}

}  // namespace pgeist::commands
