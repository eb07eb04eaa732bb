#pragma once

#include <chrono>
#include <memory>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::children {

/// A job at work as a step of another.
class child {
public:
    /// `hold` has the locks of the job and of its table. `with` is the parent's, and outlives this object.
    child(const task::context& with, const task::kind& kind, job::record record,
          std::unique_ptr<job::advisory_locks> hold);

    /// Goes through its phases to the end. @throws error; the job is then resumable
    [[nodiscard]] awaitable<void> run();
    /// What is due beside run(). Called by who watches the parent, who holds this object by a pointer of its own.
    [[nodiscard]] awaitable<void> watch();

private:
    [[nodiscard]] awaitable<void> phases();
    [[nodiscard]] awaitable<void> beat();

    const task::context* with_;
    const task::kind* kind_;
    job::record record_;
    std::unique_ptr<job::advisory_locks> hold_;
    job::tenure mine_;
    job::identity known_;
    const task::phase* current_;
    bool ended_ = false;
    std::unique_ptr<task::work> work_;
    std::chrono::steady_clock::time_point next_beat_;
};

}  // namespace pgeist::children
