#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "pgeist/core/error.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/task/controls.hpp"
#include "pgeist/task/phase.hpp"

namespace pgeist::task {

/// Thrown by a task whose job another one goes on with, by this process: the job has not failed, and is at work until
/// that one takes its place.
class handed_on : public error {
public:
    using error::error;
};

/// What the supervisor lends to a task at work; outlives it.
struct context {
    pg::pool& pool;
    run::settings& chosen;  ///< changed by `pgeist set` meanwhile
    report::observer& observer;
    report::progress& progress;  ///< kept up to date by the task, shown and stored by the supervisor
    controls& steering;
    /// Tells that the job is in this phase now: the supervisor does for those it hands to the task, the task for one
    /// that it goes through within another.
    std::function<void(const phase& now)> enter;
    int hold_pid = 0;  ///< backend that holds the job's advisory locks
    const job::identity& known;
    job::tenure mine{};  ///< of the job, for every transaction that changes anything of it
    /// Is told of other jobs than this one, which are no part of its history; null: `observer` is.
    report::observer* of_others = nullptr;
};

/// A job's task at work, from one connection to its loss.
class work {
public:
    work() = default;
    work(const work&) = delete;
    work& operator=(const work&) = delete;
    virtual ~work() = default;

    /// What is to be set right, whichever phase comes next, of what an earlier process has left in the middle.
    [[nodiscard]] virtual awaitable<void> begin(const phase& next) = 0;
    /// How many rows of a phase are done already.
    [[nodiscard]] virtual awaitable<std::int64_t> done_before(const phase& next) = 0;
    /// Does a phase. @returns the phase to continue with, usually the next one; the supervisor
    /// stores it. Null: this process ends here, and the job stays in the phase
    /// @throws error; the job is then resumable unless the message says otherwise
    [[nodiscard]] virtual awaitable<const phase*> carry_out(const phase& now) = 0;
    /// Stores that `next` is reached. A task that has done its part may hand the job over to another kind here.
    [[nodiscard]] virtual awaitable<void> reach(pg::connection& session, job::tenure mine, const phase& next);
    /// The job's state while it is in this phase, where that is another one than what it does: `done` while only a way
    /// back is kept open.
    [[nodiscard]] virtual std::optional<std::string> resting_state(const phase&) const { return std::nullopt; }
    /// Looks over the session of the job's locks, ten times a second, whether anything speaks against going on.
    /// @throws error naming it; sql_error when the session is lost
    [[nodiscard]] virtual awaitable<void> watch(pg::connection& session, const phase& now) = 0;
    /// How long each phase takes by estimate, seconds, in the order of the kind's phases; empty: unknown. Only how they
    /// compare counts.
    [[nodiscard]] virtual std::vector<double> expected_seconds() const { return {}; }
    /// `pgeist verify` of a job that nobody runs. @throws error (verification_failed) when both sides differ
    [[nodiscard]] virtual awaitable<void> compare() = 0;

    /// The change is in effect: whatever is stored of it yet.
    [[nodiscard]] virtual bool in_effect() const noexcept = 0;
    /// That was so already, or this very object has told of it.
    [[nodiscard]] virtual bool has_told_effect() const noexcept = 0;
};

}  // namespace pgeist::task
