#pragma once

#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::replay {

/// After a TRUNCATE of the read side (transfer::source_truncated) where the write side is not a copy that can be thrown
/// away with the job: empties the write side and puts the key of every row that the read side has now into the log, in
/// chunks. All of them are younger than the TRUNCATE: replay makes them anew. Then the TRUNCATE is forgotten; one that
/// comes meanwhile is found afterwards. May be interrupted, and is begun anew then. Nobody may replay or compare
/// meanwhile.
/// Locks: ACCESS EXCLUSIVE on the write side, for a moment, waited for as tables of the job's own are; ACCESS SHARE on
/// the read side, one chunk at a time.
/// @throws error (lock_not_obtained) as own_tables_wait
[[nodiscard]] awaitable<void> begin_anew(transfer::workspace& work);

}  // namespace pgeist::replay
