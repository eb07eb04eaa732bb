#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/task/kind.hpp"
#include "pgeist/tasks/native/engine.hpp"

namespace pgeist::children {

class child;

/// What making a step's job gave.
struct made_job {
    std::int64_t job = 0;
    std::optional<std::string> nothing_to_do;  ///< why there is none: nothing is left to be done
    std::vector<std::string> warnings;
};

/// How jobs of one kind are made for steps.
class maker {
public:
    explicit maker(const task::kind& kind) : kind_(&kind) {}
    maker(const maker&) = delete;
    maker& operator=(const maker&) = delete;
    virtual ~maker() = default;

    [[nodiscard]] const task::kind& kind() const noexcept { return *kind_; }
    /// Makes and records the job of a step, in the transaction that is open; `hold` takes its locks.
    /// @throws error (refused) when it cannot be made; error (already_running) when another run holds the table
    [[nodiscard]] virtual awaitable<made_job> make(pg::connection& session, job::advisory_locks& hold,
                                                   const task::context& with, const steps::step& of) const = 0;

private:
    const task::kind* kind_;
};

/// A step's statement, an ALTER TABLE, by a shadow table.
[[nodiscard]] const maker& copies();
/// A step's statement, an UPDATE or DELETE, in chunks.
[[nodiscard]] const maker& backfills();

/// Steps of a job that are jobs of their own. Each has its `parent`, and its own number, phases, checkpoints and
/// schema; it is done by the process that has the parent, under locks of a session of its own. What is asked of the
/// parent (pause, set, swap, verify) is obeyed by the one that is at work.
class executor final : public native::executor {
public:
    /// `home`: the parent's phase, which it is in again after a child.
    executor(const maker& by, const task::phase& home);
    ~executor() override;

    /// Makes the step's job, or goes on with it.
    [[nodiscard]] awaitable<void> carry_out(const task::context& with, steps::step& of, int at) override;
    /// Looks after the child that is at work, if one is: stores its progress, keeps its locks, looks whether others
    /// change its table. To be called ten times a second, beside carry_out().
    /// @throws error; sql_error when the session of its locks is lost
    [[nodiscard]] awaitable<void> watch();

private:
    [[nodiscard]] awaitable<void> run(const task::context& with, std::shared_ptr<child> now);

    const maker* by_;
    const task::phase* home_;
    std::shared_ptr<child> at_work_;
};

/// Of which a step's job may be besides those that this room makes.
using kinds = std::vector<const task::kind*>;

/// Takes back, or cleans up after, the jobs that are steps of a job: copies that have swapped lose their old table; but
/// where the job was cancelled, they become jobs of their own.
/// @throws as the undo of their kinds
[[nodiscard]] awaitable<void> undo_all(task::undo_context& at, kinds more = {});
/// Takes back these jobs, of kinds that a step's job may have, from the last to the first.
/// @throws as the undo of their kinds
[[nodiscard]] awaitable<void> undo_jobs(task::undo_context& at, std::vector<std::int64_t> all, kinds more = {});

}  // namespace pgeist::children
