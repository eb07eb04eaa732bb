#include <fmt/format.h>

#include "find_kind.hpp"
#include "leave.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/supervise/cleanup.hpp"
#include "pgeist/supervise/disconnected_runs.hpp"
#include "pgeist/supervise/session_set.hpp"
#include "pgeist/tasks/rewrite/names.hpp"

namespace pgeist::commands {

namespace {

/// Those that can be reverted are told of and left out: what is kept for that goes by name only.
awaitable<void> leave_revertible(pg::connection& session, std::vector<std::int64_t>& jobs, report::observer& observer) {
    const pg::result rows = co_await session.query(
        "SELECT id FROM pgeist.jobs j WHERE coalesce(to_jsonb(j) ->> 'kind', '') = ANY ($1::text[]) AND to_jsonb(j) -> "
        "'revert' ->> "
        "'why_not' IS NULL AND phase <> 'done' ORDER BY id",
        rewrite::kinds_of_way_back);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto left = std::erase(jobs, rows.integer(row, 0));
        if (left > 0) {
            observer.message(report::level::warning,
                             fmt::format("job {0} is left as it is: it can be reverted; to give that up: pgeist "
                                         "cleanup {0}",
                                         rows.integer(row, 0)));
        }
    }
}

/// The jobs that nobody works on. One whose run may come back is told of and left out.
awaitable<std::vector<std::int64_t>> find_abandoned(pg::connection& session, report::observer& observer) {
    // First those that may come back: one that does so in between is held when the others are looked for.
    const std::vector<supervise::disconnected_run> absent =
        co_await supervise::find_disconnected(session, std::nullopt);
    const pg::result rows = co_await session.query(
        "SELECT id, coalesce(to_jsonb(j) ->> 'kind', '') = 'expand' AND state = 'done' AND coalesce(blueprint ->> "
        "'contracted', '') <> 'true' AS expanded FROM pgeist.jobs j WHERE NOT " +
        job::held_condition("j.id") +
        " AND NOT EXISTS (SELECT FROM pgeist.jobs p "
        "WHERE p.id <> j.id AND p.id = coalesce((to_jsonb(j) ->> 'parent')::bigint, (to_jsonb(j) ->> "
        "'group_id')::bigint)) ORDER BY id");
    std::vector<std::int64_t> jobs;
    for (int row = 0; row < rows.rows(); ++row) {
        const std::int64_t job = rows.integer(row, 0);
        if (rows.boolean(row, "expanded")) {
            observer.message(report::level::warning,
                             fmt::format("job {0} is left as it is: its table is expanded, and both versions of the "
                                         "application may be at work; end it with: pgeist contract {0}, or take it "
                                         "back with: pgeist cleanup {0}",
                                         job));
        } else {
            jobs.push_back(job);
        }
    }
    for (const supervise::disconnected_run& each : absent) {
        const auto left = std::erase(jobs, each.job);
        if (left > 0) {
            observer.message(
                report::level::warning,
                fmt::format(
                    "job {0} is left as it is: its run was last heard of {1} ago and may be reconnecting for up "
                    "to {2}; if it is gone for good: pgeist cleanup {0}",
                    each.job, format_duration(each.silent), format_duration(each.patience)));
        }
    }
    co_await leave_revertible(session, jobs, observer);
    co_return jobs;
}

/// One job after the other. Where one is refused (a later version's, somebody else's schema, rows that may not be
/// executed), the others are cleaned up all the same.
awaitable<void> clean_all(supervise::session_set& sessions, const std::vector<std::int64_t>& jobs,
                          report::observer& observer) {
    std::optional<error> refused;
    for (const std::int64_t each : jobs) {
        try {
            const task::kind* kind = co_await find_kind(sessions.hold->session(), each);
            co_await supervise::clean_job(sessions.pool, *sessions.hold, *kind, each, observer);
        } catch (const error& problem) {
            if (problem.code() != exit_code::refused) {
                throw;
            }
            refused = problem;
        }
    }
    if (refused) {
        throw error(*refused);
    }
}

}  // namespace

awaitable<exit_code> cleanup(pg::connect_options options, std::optional<std::int64_t> job, report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    const bool present = co_await job::has_state_schema(sessions.hold->session());
    if (!present) {
        if (job) {
            throw error(exit_code::refused, fmt::format("there is no job {} in this database", *job), "");
        }
        observer.message(report::level::info, "nothing to clean up");
        co_return exit_code::done;
    }
    std::vector<std::int64_t> jobs;
    if (job) {
        const std::int64_t leader = co_await find_leader(sessions.hold->session(), *job);
        static_cast<void>(co_await ask_to_leave(sessions.hold->session(), leader));
        jobs.push_back(leader);
    } else {
        const auto finding = [&] { return find_abandoned(sessions.hold->session(), observer); };
        jobs = co_await job::guarded(sessions.hold->session(), finding);
    }
    co_await clean_all(sessions, jobs, observer);
    co_await supervise::clean_state(sessions.pool, observer);
    co_return exit_code::done;
}

}  // namespace pgeist::commands
