#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "pgeist/steps/store.hpp"
#include "pgeist/task/work.hpp"

namespace pgeist::native {

/// How actions of one kind are done. Each is called again from the start where it was interrupted, and finds out from
/// the catalogs (or from what it has stored) what is done: when it returns the action is done once, not twice.
class executor {
public:
    executor() = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;
    virtual ~executor() = default;

    /// Does action `at` of the step, and records it (record()) in the transaction that does it, where there is one;
    /// else when it is known to be done. It may change what the later actions say.
    /// @throws error, with what it has made taken back; too_slow where what is bounded took longer
    [[nodiscard]] virtual awaitable<void> carry_out(const task::context& with, steps::step& of, int at) = 0;
};

/// Thrown by an executor when a bounded action was ended by its limit, and rolled back.
class too_slow : public error {
public:
    using error::error;
};

/// Thrown by the engine when the step is to be done by a copy now, which it has no executor for. All steps before it
/// are done, nothing of it is.
class needs_copy : public task::handed_on {
public:
    using handed_on::handed_on;
};

/// Records that action `at` of the step is done, in the transaction that is open; with the last one the step is.
/// `took`: what its statements did, by which later estimates are corrected.
/// @throws error (already_running) as job::require_tenure()
[[nodiscard]] awaitable<void> record(pg::connection& session, const task::context& with, const steps::step& of, int at,
                                     std::chrono::milliseconds took = std::chrono::milliseconds(0));

/// Does the steps of a job, one after the other, from the first that is not done: tells the observer, obeys pause and
/// cancel in between, goes over to the next method, takes back what a failed step has made.
class engine {
public:
    /// Knows how to do everything but copies and backfills. `with` outlives the engine.
    explicit engine(const task::context& with);
    ~engine();
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;
    /// Another executor, in place of the one that the kind had, if any; it outlives the engine.
    void add(steps::action_kind kind, executor& does);

    /// @throws error naming the step that failed by number and line; the job can be resumed; needs_copy
    [[nodiscard]] awaitable<void> run();

private:
    [[nodiscard]] awaitable<void> run_step(steps::stored_step& now);
    [[nodiscard]] awaitable<void> do_actions(steps::stored_step& now);
    [[nodiscard]] awaitable<void> go_over(steps::stored_step& now, const too_slow& why);
    [[nodiscard]] awaitable<void> save(const steps::stored_step& now);
    [[nodiscard]] awaitable<void> take_back_failed(steps::stored_step& now);
    [[nodiscard]] awaitable<void> fail(steps::stored_step& now, std::string why);
    void tell(const steps::stored_step& now, steps::state state);

    task::context with_;
    std::vector<std::unique_ptr<executor>> own_;
    std::map<steps::action_kind, executor*> executors_;
    std::vector<steps::stored_step> all_;
};

/// Takes back what is done of a step: what its actions have made, from the last that is done to the first, each
/// politely in a transaction of this tenure, which records it. What is built CONCURRENTLY takes itself back.
/// @returns how many actions stay done: a type that is changed stays so, with its CHECKs NOT VALID
[[nodiscard]] awaitable<int> take_back(pg::connection& session, job::tenure mine, steps::step of, int actions_done);
/// For people, where some do.
[[nodiscard]] std::string what_stays(const steps::step& of);

}  // namespace pgeist::native
