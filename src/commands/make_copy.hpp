#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "pgeist/job/record.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/supervise/session_set.hpp"
#include "pgeist/task/kind.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

/// What is recorded with a job, in the transaction that makes it; is given the job's number.
using recording = std::function<awaitable<void>(pg::connection&, std::int64_t)>;

/// Makes the job of a copy: its shadow and its row, committed, and its locks taken by `sessions.hold`. Nullopt when the
/// table has the change already. `besides`: what else is recorded in the transaction that makes it. `kind`: what the
/// job is to be, of those that are a rewrite's.
/// @throws error (refused) when a check refuses; error (already_running) when another run holds the table
[[nodiscard]] awaitable<std::optional<job::record>> make_copy(supervise::session_set& sessions,
                                                              plan::change_request change, run::settings chosen,
                                                              report::observer& observer, recording besides = nullptr,
                                                              const task::kind& kind = rewrite::kind());

/// What all_warnings() says.
void tell_warnings(const rewrite::preparation& made, report::observer& observer);

/// Carries out a job of any kind. A copy with --revert-window goes on as the way back when its swap is finished.
[[nodiscard]] awaitable<void> carry_out_and_keep(supervise::session_set& sessions, const task::kind& kind,
                                                 job::record record, report::observer& observer);

}  // namespace pgeist::commands
