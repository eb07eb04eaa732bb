#pragma once

#include "cli/given.hpp"
#include "cli/invocation.hpp"

// What the commands that change a table are asked for, by whichever method. All throw usage_error.
namespace pgeist::cli {

/// `pgeist run`, and `pgeist plan` of one.
void read_run(const given& options, invocation& into);

/// `pgeist rehearse`.
void read_rehearsal(const given& options, invocation& into);

}  // namespace pgeist::cli
