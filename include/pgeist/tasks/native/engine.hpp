#pragma once

#include <functional>
#include <map>
#include <vector>

#include "pgeist/steps/store.hpp"
#include "pgeist/task/work.hpp"

namespace pgeist::native {

/// What an action works with.
struct workspace {
    const task::context& with;
    job::tenure mine;
    const std::vector<std::pair<std::string, std::string>>& session;  ///< to be SET before the action
};

/// How actions of one kind are done. Each is called again from the start where it was interrupted, and finds out from
/// the catalogs (or from what it has stored) what is done: at the return the action is done once, not twice.
class executor {
public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    virtual ~executor() = default;

    /// Does `what`, and records it by steps::save_progress(session, mine, step, started or done, at + 1) in the
    /// transaction that does it, where there is one; else when it is known to be done. `at`: which of the step's
    /// actions.
    /// @throws error, with what it has made taken back; too_slow where what is bounded took longer
    [[nodiscard]] virtual awaitable<void> carry_out(const workspace& work, const steps::step& of, int at) = 0;
    /// Takes back what this action has made, or left when it was interrupted: a later one has failed, or the job is
    /// cancelled or cleaned up. Finds nothing to do where nothing is left.
    [[nodiscard]] virtual awaitable<void> take_back(const workspace& work, const steps::step& of, int at) = 0;
};

/// Thrown by an executor when a bounded action was ended by its limit.
class too_slow : public error {
public:
    using error::error;
};

/// Does the steps of a job, one after the other, from the first that is not done: tells the observer, obeys pause and
/// cancel in between, goes over to the next method, takes back what a failed step has made.
class engine {
public:
    /// The executors of native steps, and those that are added: kind of action to who does it. All outlive the engine.
    engine(const task::context& with, job::tenure mine);
    void add(steps::action_kind kind, executor& does);

    /// @throws error: the step that failed is named by number, line and statement; the job can be resumed
    [[nodiscard]] awaitable<void> run();

private:
    [[nodiscard]] awaitable<void> run_step(steps::stored_step& now);
    [[nodiscard]] awaitable<void> take_back(const steps::stored_step& now);

    task::context with_;
    job::tenure mine_;
    std::map<steps::action_kind, executor*> executors_;
    std::vector<steps::stored_step> all_;
};

}  // namespace pgeist::native
