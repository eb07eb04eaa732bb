#pragma once

#include <cstdint>

#include "pgeist/pg/connection.hpp"

namespace pgeist::commands {

/// Where a run only keeps the old table in step: tells it to leave the job, and waits until it has.
/// Does nothing where nobody runs the job, or it is at something else. @throws error (already_running) when it does not
/// leave
[[nodiscard]] awaitable<void> ask_to_leave(pg::connection& session, std::int64_t job);

}  // namespace pgeist::commands
