#pragma once

#include <optional>

#include "make_copy.hpp"
#include "pgeist/plan/group_request.hpp"
#include "pgeist/tasks/group/preparation.hpp"

namespace pgeist::commands {

/// As make_copy(), for several tables: makes all their jobs in one transaction, to be exchanged or rehearsed. @returns
/// the leader's, and its kind in `kind`; nullopt when all tables have the change already
[[nodiscard]] awaitable<std::optional<job::record>> make_group(supervise::session_set& sessions,
                                                               plan::group_request what, run::settings chosen,
                                                               report::observer& observer, const task::kind*& kind,
                                                               recording besides = nullptr,
                                                               group::purpose aim = group::purpose::exchange);

}  // namespace pgeist::commands
