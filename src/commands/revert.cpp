#include <fmt/format.h>

#include "find_kind.hpp"
#include "leave.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/settings/options.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/takeover.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"
#include "pgeist/tasks/way_back/asked.hpp"
#include "pgeist/tasks/way_back/kind.hpp"

namespace pgeist::commands {

namespace {

constexpr const char* first_phase = "catch_up";

void require_way_back(const task::kind& kind, const job::record& job) {
    const std::string& name = kind.labels().name;
    if (name == rewrite::kind_name && job.way_back) {
        throw error(exit_code::refused, fmt::format("job {} has not swapped the tables yet", job.id),
                    fmt::format("there is nothing to revert; go on with: pgeist resume {0}, or remove it: pgeist "
                                "cleanup {0}",
                                job.id));
    }
    if (name != rewrite::kind_of_way_back) {
        throw error(exit_code::refused, fmt::format("job {} was not run with --revertible", job.id),
                    "its old table is not kept in step");
    }
    if (const auto why = way_back::why_not(job)) {
        throw error(exit_code::refused, fmt::format("job {} cannot be reverted any more: {}", job.id, *why),
                    fmt::format("remove what is left of it with: pgeist cleanup {}", job.id));
    }
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
        const job::tenure mine{now.id, now.incarnation};
        rests = !kind.reached(now).in_effect;
        if (rests) {
            co_await job::save_phase(*session, mine, kind.phases().front().name);
            co_await way_back::restore_settings(*session, mine, now);
        }
    } catch (const error&) {
        rests = false;  // the server is away: whoever takes the job on does it
    }
}

awaitable<void> begin(supervise::session_set& sessions, job::record& record, const revert_request& what) {
    const auto session = co_await sessions.pool.acquire();
    const job::tenure mine{record.id, record.incarnation};
    co_await way_back::restore_settings(*session, mine, record);
    std::string asked = way_back::members_of_request(what.lose, what.check, record.settings);
    record.settings.verify = run::verify_mode::full;  // whatever the run did
    record.settings.verify_sample_percent = 100;
    std::string changed;
    for (const auto& [name, value] : what.changes) {
        run::apply_option(record.settings, name, value);
        changed += (changed.empty() ? "" : ", ") + name + " = " + value;
    }
    co_await rewrite::require_sendable(*session, run::to_json(record.settings));
    co_await job::save_state(*session, mine, "running", "");
    co_await job::save_revert(*session, mine, asked);  // first: it has the settings of before
    co_await job::save_settings(*session, mine, record.settings);
    co_await job::save_phase(*session, mine, first_phase);
    std::string event = "reverting";
    if (what.check) {
        event = "checking the way back";
    }
    co_await job::add_event(*session, record.id, event, changed);
    record = co_await job::load(*session, record.id);
}

/// Takes the job on, and begins the swap back where it is not made already, and only to be finished.
awaitable<void> take_up(supervise::session_set& sessions, const task::kind& kind, const revert_request& what,
                        std::optional<job::record>& record) {
    record = co_await supervise::take_over(sessions, kind, what.job, job::requests::forget);
    require_way_back(kind, *record);
    if (!kind.reached(*record).in_effect) {
        co_await begin(sessions, *record, what);
    }
}

}  // namespace

awaitable<exit_code> revert(pg::connect_options options, revert_request what, report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    const bool was_kept = co_await ask_to_leave(sessions.hold->session(), what.job);
    const task::kind* found = co_await find_kind(sessions.hold->session(), what.job);
    const task::kind& kind = *found;
    {
        const job::record before = co_await job::load(sessions.hold->session(), what.job);
        require_way_back(kind, before);
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
