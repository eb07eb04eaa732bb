#pragma once

#include "cli/console.hpp"
#include "cli/invocation.hpp"
#include "pgeist/core/exit_code.hpp"
#include "pgeist/pg/awaitable.hpp"

namespace pgeist::cli {

/// `pgeist repack-candidates`: a table for people, with --quiet only the names (one a line, as SQL has them), or one
/// JSON object a line. References outlive the call.
[[nodiscard]] awaitable<exit_code> show_candidates(const invocation& asked, console& io);

}  // namespace pgeist::cli
