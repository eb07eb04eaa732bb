#pragma once

#include "pgeist/job/workspace.hpp"

namespace pgeist::replay {

/// After a copy in heap order: deletes from the shadow every row whose key is in the log, since a row that moved while
/// it was copied may be there more than once. Replay brings each of them back as it is now. From then on every key is
/// in the shadow at most once, so that a unique index can be built: what is logged later adds no row before replay.
/// One statement that reads the whole shadow, as the build of the key index after it does. To be called before any
/// replay; may be repeated. No lock on the source.
[[nodiscard]] awaitable<void> delete_moved_rows(job::workspace& work);

}  // namespace pgeist::replay
