#pragma once

#include <optional>

#include "pgeist/job/files.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/supervise/session_set.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::commands {

/// Makes the job of a copy: its shadow and its row, committed, and its locks taken by `sessions.hold`. Nullopt when the
/// table has the change already. `file`: the migration file that is nothing but this copy.
/// @throws error (refused) when a check refuses; error (already_running) when another run holds the table
[[nodiscard]] awaitable<std::optional<job::record>> make_copy(supervise::session_set& sessions,
                                                              plan::change_request change, run::settings chosen,
                                                              report::observer& observer,
                                                              std::optional<job::file_run> file = std::nullopt);

/// Carries out a job of any kind. A copy with --revert-window goes on as the way back when its swap is finished.
[[nodiscard]] awaitable<void> carry_out_and_keep(supervise::session_set& sessions, const task::kind& kind,
                                                 job::record record, report::observer& observer);

}  // namespace pgeist::commands
