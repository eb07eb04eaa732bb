#pragma once

#include "pgeist/job/workspace.hpp"
#include "pgeist/replay/replayer.hpp"

namespace pgeist::verify {

/// Sees that no row violates a foreign key that the change adds: such a key is validated only after the swap, when it
/// is too late to stop. A violation that a change waiting in the log explains is looked at again. Locks: ACCESS SHARE
/// on the shadow and on the referenced tables.
/// @throws error naming the constraint and the keys
[[nodiscard]] awaitable<void> check_violations(job::workspace& work, replay::replayer& changes);

}  // namespace pgeist::verify
