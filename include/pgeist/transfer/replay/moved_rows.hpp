#pragma once

#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::replay {

/// After a copy in heap order: deletes from the write side every row whose key is in the log, since a row that moved
/// while it was copied may be there more than once. Replay brings each of them back as it is now. From then on every
/// key is in the write side at most once, so that a unique index can be built: what is logged later adds no row before
/// replay. One statement that reads the whole write side, as the build of the key index after it does. To be called
/// before any replay; may be repeated. No lock on the read side.
[[nodiscard]] awaitable<void> delete_moved_rows(transfer::workspace& work);

}  // namespace pgeist::replay
