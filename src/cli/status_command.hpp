#pragma once

#include "cli/console.hpp"
#include "cli/invocation.hpp"
#include "pgeist/core/exit_code.hpp"
#include "pgeist/pg/awaitable.hpp"

namespace pgeist::cli {

/// `pgeist status`: once, or again and again with --watch, until the one job asked for is at rest. Both references
/// outlive the coroutine.
[[nodiscard]] awaitable<exit_code> show_status(const invocation& asked, console& io);

}  // namespace pgeist::cli
