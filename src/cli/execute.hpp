#pragma once

#include "cli/console.hpp"
#include "cli/invocation.hpp"
#include "pgeist/core/exit_code.hpp"

namespace pgeist::cli {

/// Carries out what was asked for, from the first connection to the last line printed. Does not throw: what fails is
/// told and becomes the exit code.
[[nodiscard]] exit_code execute(const invocation& asked, console& io);

}  // namespace pgeist::cli
