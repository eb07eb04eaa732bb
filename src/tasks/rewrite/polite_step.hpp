#pragma once

#include <optional>

#include "pgeist/build/workspace.hpp"
#include "pgeist/plan/blueprint.hpp"

namespace pgeist::rewrite {

/// Runs one statement of the job, in a transaction of this tenure, as soon as the lock it needs can be had; progress
/// shows what it is. @returns what was in the way at the last of `most_attempts`; nothing when it is done
/// @throws pg::sql_error; error (already_running) as job::require_tenure()
[[nodiscard]] awaitable<std::optional<pg::sql_error>> run_politely(build::workspace& work, pg::connection& session,
                                                                   plan::statement step, int most_attempts);

}  // namespace pgeist::rewrite
