#pragma once

#include "pgeist/build/workspace.hpp"

namespace pgeist::rewrite {

/// Runs what the plan does before the swap on other tables than the source (stage `before`), each statement
/// under a short lock_timeout with retries. May be repeated.
/// @throws error (lock_not_obtained) when attempts are used up
[[nodiscard]] awaitable<void> prepare_other_tables(build::workspace& work);

/// Takes that back as far as a few attempts can: a constraint that tells where the source's rows may be must not
/// outlive the run, or it would refuse rows when the partition is dropped. Never throws; a cleanup does the rest.
[[nodiscard]] awaitable<void> release_other_tables(build::workspace& work);

}  // namespace pgeist::rewrite
