#pragma once

#include "pgeist/build/workspace.hpp"

namespace pgeist::rewrite {

/// After the swap: validates foreign keys (SHARE UPDATE EXCLUSIVE under lock_timeout with retries), removes the change
/// log and, with --drop-old, the old table. Every step may be repeated.
[[nodiscard]] awaitable<void> finish(build::workspace& work);

}  // namespace pgeist::rewrite
