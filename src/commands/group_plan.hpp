#pragma once

#include "pgeist/commands/commands.hpp"
#include "pgeist/plan/group_request.hpp"
#include "pgeist/steps/choose.hpp"

namespace pgeist::commands {

/// The plan of tables that are exchanged in one transaction. `made`: how that was chosen, in one step. `session`: in no
/// transaction; nothing is changed.
[[nodiscard]] awaitable<plan_result> plan_group(pg::connection& session, plan::group_request what, run::settings chosen,
                                                steps::choice made);

/// The steps of a plan: of a group one for each member.
[[nodiscard]] std::vector<steps::step> steps_of_members(const steps::step& group);

}  // namespace pgeist::commands
