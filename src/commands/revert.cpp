#include <fmt/format.h>

#include "find_kind.hpp"
#include "leave.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/settings/options.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/file/stored.hpp"
#include "pgeist/tasks/group/kind.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"
#include "pgeist/tasks/way_back/asked.hpp"
#include "pgeist/tasks/way_back/kind.hpp"
#include "rest.hpp"

namespace pgeist::commands {

namespace {

constexpr const char* first_phase = "catch_up";

void require_way_back(const task::kind& kind, const job::record& job) {
    const std::string& name = kind.labels().name;
    if ((name == rewrite::kind_name || name == group::kind_name) && job.way_back) {
        throw error(exit_code::refused, fmt::format("job {} has not swapped the tables yet", job.id),
                    fmt::format("there is nothing to revert; go on with: pgeist resume {0}, or remove it: pgeist "
                                "cleanup {0}",
                                job.id));
    }
    if (!rewrite::is_way_back(name)) {
        throw error(exit_code::refused, fmt::format("job {} was not run with --revertible", job.id),
                    "its old table is not kept in step");
    }
    if (const auto why = way_back::why_not(job)) {
        throw error(exit_code::refused, fmt::format("job {} cannot be reverted any more: {}", job.id, *why),
                    fmt::format("remove what is left of it with: pgeist cleanup {}", job.id));
    }
}

/// The copies among its steps can be, each by its own number. @throws error (refused) naming them
awaitable<void> refuse_file(pg::connection& session, std::int64_t file) {
    std::string ways;
    const auto children = co_await job::children_of(session, file);
    for (const std::int64_t child : children) {
        const job::record each = co_await job::load(session, child);
        if (rewrite::is_way_back(each.kind) && !way_back::why_not(each)) {
            ways += fmt::format("{}pgeist revert {}", ways.empty() ? "" : ", ", child);
        }
    }
    std::string hint = "revert its copy, which is a job of its own, with: " + ways;
    if (ways.empty()) {
        hint = "none of its steps can be: only a copy that was run with --revertible is kept in step";
    }
    throw error(exit_code::refused, fmt::format("job {} is a migration file, which is not reverted as a whole", file),
                std::move(hint));
}

/// What others say of going on with a job that is interrupted is not to go on reverting: this says what is.
[[noreturn]] void rethrow_for_next_revert(const std::exception_ptr& failure, std::int64_t job) {
    const std::string again = fmt::format("pgeist revert {}", job);
    const std::string open = "nothing was swapped, and the way back stays open; try again with: " + again;
    try {
        std::rethrow_exception(failure);
    } catch (const error& problem) {
        std::string hint = report::with_job_number(problem.hint(), job, "revert");
        throw error(problem.code(), problem.what(), hint.empty() ? open : std::move(hint));
    } catch (const std::exception&) {
        if (pg::is_cancellation(failure)) {
            throw error(exit_code::cancelled, cancelled().what(), open);
        }
        throw;
    }
}

/// The job rests again: whatever was begun is begun anew. Not where the swap is made and not finished.
awaitable<void> rest_again(supervise::session_set& sessions, const task::kind& kind, std::int64_t job, bool& rests) {
    try {
        const auto session = co_await sessions.pool.acquire();
        job::record now = co_await job::load(*session, job);
        rests = !kind.reached(now).in_effect;
        if (rests) {
            co_await let_rest(*session, kind, now);
        }
    } catch (const error&) {
        rests = false;  // the server is away: whoever takes the job on does it
    }
}

/// What the revert of one table is given. @returns it in words
std::string take_changes(run::settings& chosen, const revert_request& what) {
    chosen.verify = run::verify_mode::full;  // whatever the run did
    chosen.verify_sample_percent = 100;
    std::string changed;
    for (const auto& [name, value] : what.changes) {
        run::apply_option(chosen, name, value);
        changed += (changed.empty() ? "" : ", ") + name + " = " + value;
    }
    return changed;
}

awaitable<void> begin_one(pg::connection& session, job::record& record, const revert_request& what) {
    const job::tenure mine{record.id, record.incarnation};
    co_await way_back::restore_settings(session, mine, record);
    std::string asked = way_back::members_of_request(what.lose, what.check, record.settings);
    const std::string changed = take_changes(record.settings, what);
    co_await rewrite::require_sendable(session, run::to_json(record.settings));
    co_await job::save_state(session, mine, "running", "");
    co_await job::save_revert(session, mine, asked);  // first: it has the settings of before
    co_await job::save_settings(session, mine, record.settings);
    co_await job::save_phase(session, mine, first_phase);
    std::string event = "reverting";
    if (what.check) {
        event = "checking the way back";
    }
    co_await job::add_event(session, record.id, event, changed);
}

awaitable<void> begin(supervise::session_set& sessions, job::record& record, const revert_request& what) {
    const auto session = co_await sessions.pool.acquire();
    auto all = co_await load_all(*session, record);
    for (job::record& each : all) {
        co_await begin_one(*session, each, what);
    }
    record = co_await job::load(*session, record.id);
}

/// Of each table that is to go back. A way back that is closed for one of them is so for all.
awaitable<void> require_ways_back(pg::connection& session, const task::kind& kind, const job::record& leader) {
    if (kind.labels().name == file::kind_name) {
        co_await refuse_file(session, leader.id);
    }
    require_way_back(kind, leader);
    const auto others = co_await job::load_others_of_group(session, leader.id);
    for (const job::record& each : others) {
        if (const auto why = way_back::why_not(each)) {
            throw error(exit_code::refused, fmt::format("job {} cannot be reverted any more: {}", leader.id, *why),
                        fmt::format("remove what is left of it with: pgeist cleanup {}", leader.id));
        }
    }
}

/// Takes the job on, and begins the swap back where it is not made already, and only to be finished.
awaitable<void> take_up(supervise::session_set& sessions, const task::kind& kind, const revert_request& what,
                        std::optional<job::record>& record) {
    record = co_await supervise::take_over(sessions, kind, what.job, job::requests::forget);
    co_await require_ways_back(sessions.hold->session(), kind, *record);
    if (!kind.reached(*record).in_effect) {
        co_await begin(sessions, *record, what);
    }
}

}  // namespace

awaitable<exit_code> revert(pg::connect_options options, revert_request what, report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    what.job = co_await find_head(sessions.hold->session(), what.job);
    const bool was_kept = co_await ask_to_leave(sessions.hold->session(), what.job);
    const task::kind* found = co_await find_kind(sessions.hold->session(), what.job);
    const task::kind& kind = *found;
    {
        const job::record before = co_await job::load(sessions.hold->session(), what.job);
        co_await require_ways_back(sessions.hold->session(), kind, before);
    }
    std::optional<job::record> taken;
    std::exception_ptr stopped;
    try {
        co_await take_up(sessions, kind, what, taken);
    } catch (...) {
        stopped = std::current_exception();
    }
    if (stopped && pg::is_cancellation(stopped)) {
        throw error(exit_code::cancelled, cancelled().what(),
                    fmt::format("nothing was begun; try again with: pgeist revert {}", what.job));
    }
    if (stopped) {
        std::rethrow_exception(stopped);
    }
    job::record record = std::move(*taken);
    observer.job_started(record.id, record.table.display(), kind.labels().strategy);
    std::exception_ptr failure;
    try {
        co_await supervise::carry_out(sessions, kind, record, observer);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await asio::this_coro::throw_if_cancelled(false);
    bool rests = false;
    co_await pg::shielded(rest_again(sessions, kind, what.job, rests));
    if (rests && was_kept && (failure || what.check)) {
        observer.message(report::level::info, fmt::format("nobody keeps the table that waits in step now: pgeist "
                                                          "resume {} goes on with that",
                                                          what.job));
    }
    if (failure && rests) {
        rethrow_for_next_revert(failure, what.job);
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    co_return exit_code::done;
}

}  // namespace pgeist::commands
