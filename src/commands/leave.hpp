#pragma once

#include <cstdint>

#include "pgeist/pg/connection.hpp"

namespace pgeist::commands {

/// Where a run only keeps the old table in step: tells it to leave the job, and waits until it has.
/// @returns false where nobody runs the job, or it is at something else: nothing was done
/// @throws error (already_running) when it does not leave
[[nodiscard]] awaitable<bool> ask_to_leave(pg::connection& session, std::int64_t job);

}  // namespace pgeist::commands
