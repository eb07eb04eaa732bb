#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/report/event_recorder.hpp"
#include "pgeist/supervise/switchboard.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::supervise {

/// Takes a job through its phases, from the one it has reached to the last, over one set of connections, with the
/// heartbeat and the throttle beside it. Only sequences: what a phase does is its task's business.
class runner {
public:
    /// All references outlive the runner. `job` must have a plan.
    /// `known` is kept up to date with how far the server's WAL has come.
    runner(pg::pool& pool, pg::connect_options options, job::advisory_locks& hold, const task::kind& kind,
           const job::record& job, job::identity& known, report::observer& observer);

    /// @throws error; the job is then resumable unless the message says otherwise
    [[nodiscard]] awaitable<void> run();
    /// Only compares both sides, all rows of them.
    /// @throws error (verification_failed) when they differ
    [[nodiscard]] awaitable<void> compare();

    /// `pgeist cancel` asked for the end: the job is to be removed.
    [[nodiscard]] bool cancel_requested() const noexcept { return switches_.cancel_requested(); }
    /// The change is in effect: made so by this very runner, or before.
    [[nodiscard]] bool in_effect() const noexcept { return work_->in_effect() || reached_->in_effect; }
    /// The change was made by this very runner, and told.
    [[nodiscard]] bool has_told_effect() const noexcept { return work_->has_told_effect(); }
    /// The settings, as `pgeist set` has left them.
    [[nodiscard]] const run::settings& chosen() const noexcept { return settings_; }
    /// The phase the job is in, or the last one.
    [[nodiscard]] const task::phase& reached() const noexcept { return *reached_; }

private:
    [[nodiscard]] awaitable<void> beside_the_heartbeat(awaitable<void> work);
    [[nodiscard]] awaitable<void> phases();
    [[nodiscard]] awaitable<void> count_done_before();
    void enter(const task::phase& now);
    /// What status shows of a job that is done: the rows of the last phase that has counted any.
    void tell_all_counted();

    pg::pool* pool_;
    pg::connect_options options_;
    job::advisory_locks* hold_;
    job::identity* known_;
    const task::kind* kind_;
    job::tenure mine_;
    const task::phase* reached_;
    const task::phase* current_;  ///< that a task may go through within the one it has reached
    pg::session_profile profile_;
    run::settings settings_;  ///< the job's own, changed by `pgeist set`
    switchboard switches_;
    report::progress progress_;
    std::optional<std::int64_t> counted_rows_;
    report::event_recorder told_;
    std::unique_ptr<task::work> work_;
};

}  // namespace pgeist::supervise
