#pragma once

#include <string>
#include <vector>

#include "pgeist/commands/commands.hpp"
#include "pgeist/plan/describe.hpp"
#include "pgeist/steps/step.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

/// What a plan tells of a copy. Refers to both, which must outlive it.
[[nodiscard]] plan::description described(const plan::change_request& change, const rewrite::preparation& made);

/// Every statement that the run would make, in order. There must be a blueprint.
[[nodiscard]] std::string sql_of(const rewrite::preparation& made);

/// The plan of a change that a copy makes. `steps`: what was chosen for it, if anything was; what it is by a copy for.
/// `session`: in no transaction.
[[nodiscard]] awaitable<plan_result> plan_copy(pg::connection& session, plan::change_request change,
                                               run::settings chosen, std::vector<steps::step> steps);

}  // namespace pgeist::commands
