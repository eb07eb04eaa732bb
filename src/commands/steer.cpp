#include <fmt/format.h>

#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/supervise/disconnected_runs.hpp"
#include "pgeist/tasks/registry.hpp"
#include "requests.hpp"

namespace pgeist::commands {

awaitable<std::int64_t> hand_in(pg::connection& session, std::int64_t job, std::string action,
                                std::optional<std::string> name, std::optional<std::string> value) {
    const job::handed_in request = co_await job::steer(session, job, action, std::move(name), std::move(value));
    const task::phase& reached = tasks::kind_named(request.kind, job).phase_named(request.phase);
    if ((action == "cancel" || action == "pause") && reached.in_effect) {
        throw error(exit_code::refused,
                    fmt::format("job {} has swapped the tables already: it cannot be {}", job,
                                action == "pause" ? "paused" : "cancelled"),
                    "it only finishes its work now");
    }
    if (!request.alive) {
        throw error(exit_code::refused, fmt::format("nobody runs job {}", job),
                    fmt::format("go on with it: pgeist resume {0}, or remove it: pgeist cleanup {0}", job));
    }
    co_return request.number;
}

void require_not_forgotten(const std::optional<job::answers>& now, std::int64_t job, std::int64_t number) {
    if (now && now->forgotten >= number) {
        throw error(exit_code::refused, fmt::format("job {} was taken on by another process before it had obeyed", job),
                    "what it was asked before is forgotten: ask again");
    }
}

namespace {

/// How long a run may take to obey before the user is told that it has not.
constexpr auto patience = std::chrono::seconds(10);
constexpr auto poll = std::chrono::milliseconds(50);

/// Why nobody answers.
awaitable<error> nobody_runs(pg::connection& session, std::int64_t job) {
    const std::vector<supervise::disconnected_run> absent = co_await supervise::find_disconnected(session, job);
    std::string what = fmt::format("nobody runs job {}", job);
    std::string next = fmt::format("go on with it: pgeist resume {0}, or remove it: pgeist cleanup {0}", job);
    if (!absent.empty()) {
        what = fmt::format("the run of job {} was last heard of {} ago and may be reconnecting", job,
                           format_duration(absent.front().silent));
        next = fmt::format("ask again when pgeist status {0} shows it at work; if it is gone: pgeist resume {0}", job);
    }
    error reason(exit_code::refused, what, next);
    co_return reason;
}

/// Nothing when the job was cancelled and cleaned up, perhaps with all that was left of pgeist.
awaitable<void> read_last_answers(pg::connection& session, std::int64_t job, std::optional<job::answers>& into) {
    const bool present = co_await job::guard_state(session);
    if (present) {
        into = co_await job::read_answers(session, job);  // both answers of one moment
    }
}

/// Waits until the run has obeyed the request of that number. @returns false when it has not for a long time
awaitable<bool> wait_until_obeyed(pg::connection& session, std::int64_t job, std::int64_t number) {
    const auto until = deadline::in(patience);
    while (!until.passed()) {
        std::optional<job::answers> last;
        const auto reading = [&] { return read_last_answers(session, job, last); };
        co_await pg::transaction(session, pg::isolation::read_committed, reading);
        require_not_forgotten(last, job, number);
        if (!last || last->obeyed >= number) {
            co_return true;
        }
        co_await pg::sleep_for(poll);
    }
    co_return false;
}

awaitable<std::int64_t> steer_each(pg::connection& session, std::int64_t job, const std::string& action,
                                   const named_values& values) {
    std::int64_t number = 0;
    if (action != "set") {
        number = co_await hand_in(session, job, action, std::nullopt, std::nullopt);
    }
    for (const auto& [name, value] : values) {
        number = co_await hand_in(session, job, action, name, value);
    }
    co_return number;
}

/// Hands in what is asked for: one request, or with `set` one a value, all or none. @returns the last one's number
awaitable<std::int64_t> hand_in_all(pg::connection& session, std::int64_t job, const std::string& action,
                                    const named_values& values) {
    const auto requests = [&] { return steer_each(session, job, action, values); };
    try {
        const std::int64_t number = co_await job::guarded(session, requests);
        co_return number;
    } catch (const pg::sql_error& problem) {
        if (problem.is(pg::sqlstate::untranslatable_character)) {
            throw error(exit_code::refused, problem.diag().message, problem.diag().hint);
        }
        throw;
    }
}

awaitable<void> require_running(pg::connection& session, std::int64_t job) {
    const bool present = co_await job::guard_state(session);
    pg::result row;
    if (present) {
        row = co_await session.query("SELECT " + job::held_condition("j.id") + " FROM pgeist.jobs j WHERE j.id = $1",
                                     job);
    }
    if (row.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", job),
                    "list the jobs with: pgeist status");
    }
    if (!row.boolean(0, 0)) {
        const error reason = co_await nobody_runs(session, job);
        throw reason;
    }
}

}  // namespace

awaitable<bool> send_control(pg::connect_options options, std::int64_t job, std::string action, named_values values) {
    const auto session = co_await pg::connection::open(std::move(options), "pgeist " + action);
    const auto asking = [&] { return job::leader_of(*session, job); };
    job = co_await job::guarded(*session, asking);
    const auto looking = [&] { return require_running(*session, job); };
    co_await pg::transaction(*session, pg::isolation::read_committed, looking);
    const std::int64_t number = co_await hand_in_all(*session, job, action, values);
    const bool obeyed = co_await wait_until_obeyed(*session, job, number);
    co_return obeyed;
}

}  // namespace pgeist::commands
