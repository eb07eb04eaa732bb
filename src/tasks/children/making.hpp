#pragma once

#include <memory>
#include <optional>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/tasks/children/children.hpp"

namespace pgeist::children {

/// A step's job, whose locks are held.
struct held_job {
    job::record record;
    std::unique_ptr<job::advisory_locks> hold;
};

/// Makes the job of a step, and that the step has begun, in one transaction. Nothing when nothing is left to be done;
/// `why` says so. @throws as maker::make()
[[nodiscard]] awaitable<std::optional<held_job>> make(const task::context& with, const maker& by, const steps::step& of,
                                                      int at, std::string& why);

/// Takes on a job that an earlier process has left. @throws error (already_running) when somebody else has it
[[nodiscard]] awaitable<held_job> take_over(const task::context& with, const task::kind& kind, std::int64_t job);

}  // namespace pgeist::children
