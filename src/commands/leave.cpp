#include "leave.hpp"

#include <fmt/format.h>

#include "find_kind.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "requests.hpp"

namespace pgeist::commands {

namespace {

constexpr auto until_it_has_left = std::chrono::seconds(60);
constexpr auto leave_poll = std::chrono::milliseconds(50);

/// Whether somebody keeps the job's way back open.
awaitable<bool> keeps_open(pg::connection& session, std::int64_t job) {
    const bool present = co_await job::guard_state(session);
    bool keeps = false;
    if (present) {
        const pg::result row = co_await session.query(
            "SELECT coalesce(to_jsonb(j) ->> 'kind', '') = ANY ($2::text[]) AND j.phase = $3 AND " +
                job::held_condition("j.id") + " FROM pgeist.jobs j WHERE j.id = $1",
            job, rewrite::kinds_of_way_back, rewrite::first_phase_of_way_back);
        keeps = !row.empty() && row.boolean(0, 0);
    }
    co_return keeps;
}

awaitable<void> hand_in_request(pg::connection& session, std::int64_t job) {
    static_cast<void>(co_await job::steer(session, job, "leave", std::nullopt, std::nullopt));
}

}  // namespace

awaitable<bool> ask_to_leave(pg::connection& session, std::int64_t job) {
    const auto looking = [&] { return keeps_open(session, job); };
    bool there = co_await job::guarded(session, looking);
    if (!there) {
        co_return false;
    }
    const auto asking = [&] { return hand_in_request(session, job); };
    co_await job::guarded(session, asking);
    const auto until = deadline::in(until_it_has_left);
    while (there && !until.passed()) {
        co_await pg::sleep_for(leave_poll);
        there = co_await job::guarded(session, looking);
    }
    if (there) {
        throw error(exit_code::already_running,
                    fmt::format("the run that keeps job {}'s old table in step has not left it", job),
                    "end it (Ctrl-C), then try again");
    }
    co_return true;
}

}  // namespace pgeist::commands
