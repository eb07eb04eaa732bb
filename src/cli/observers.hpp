#pragma once

#include <memory>

#include "cli/console.hpp"
#include "cli/invocation.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::cli {

/// Everything that a command tells, and to whom: standard output, and the files and hooks that were asked for.
/// `io` and `asked` outlive it.
/// @throws usage_error when the log file cannot be opened
[[nodiscard]] std::unique_ptr<report::observer> make_observers(const invocation& asked, console& io, bool runs_a_job);

}  // namespace pgeist::cli
