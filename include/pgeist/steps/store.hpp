#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/steps/step.hpp"

/// Table pgeist.steps: what a job is to do, and how far it is. A step is recorded in the transaction that does it.
namespace pgeist::steps {

enum class state { pending, started, done, skipped, failed };

[[nodiscard]] std::string_view word_of(state now);

struct stored_step {
    step what;
    steps::state state = steps::state::pending;
    int actions_done = 0;  ///< of what.actions
    std::string message;   ///< why it failed or was skipped
};

/// Stores the steps of a new job, in the transaction that makes it.
[[nodiscard]] awaitable<void> save_steps(pg::connection& session, std::int64_t job, const std::vector<step>& all);
/// In order. Empty where the job has none.
[[nodiscard]] awaitable<std::vector<stored_step>> load_steps(pg::connection& session, std::int64_t job);

/// To be called in the transaction that does the action (or, where the server makes its own transactions, in one after
/// it): the step's state, and how many of its actions are done. @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> save_progress(pg::connection& session, job::tenure mine, int number, steps::state now,
                                            int actions_done, std::string message = {});
/// Adds to what the step's statements took.
[[nodiscard]] awaitable<void> add_work(pg::connection& session, job::tenure mine, int number,
                                       std::chrono::milliseconds took);

/// The step as it is by now: with names and numbers that are known only since it was begun. To be called in a
/// transaction that has asked for the tenure.
[[nodiscard]] awaitable<void> save_plan(pg::connection& session, std::int64_t job, const step& what);

/// What is to be done instead: the step of this number by another method, or with actions that are known only now.
[[nodiscard]] awaitable<void> replace_step(pg::connection& session, job::tenure mine, const step& what);

}  // namespace pgeist::steps
