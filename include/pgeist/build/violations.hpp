#pragma once

#include "pgeist/build/workspace.hpp"
#include "pgeist/transfer/replay/replayer.hpp"

namespace pgeist::build {

/// Sees that no row violates a foreign key that the change adds: such a key is validated only after the swap, when it
/// is too late to stop. A violation that a change waiting in the log explains is looked at again. Locks: ACCESS SHARE
/// on the shadow and on the referenced tables.
/// @throws error naming the constraint and the keys
[[nodiscard]] awaitable<void> check_violations(workspace& work, replay::replayer& changes);

}  // namespace pgeist::build
