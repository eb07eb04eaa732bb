#pragma once

#include <vector>

#include "pgeist/build/workspace.hpp"
#include "pgeist/transfer/replay/replayer.hpp"

namespace pgeist::swap {

/// A table that is exchanged. References to objects that outlive the swap.
struct exchanged {
    build::workspace* work;
    replay::replayer* changes;
};

/// What else is done in the transaction of reach_one_moment().
enum class ahead {
    leave_out,
    build  ///< what is filled from the shadows, and what must hold between them is looked at
};

/// Takes the whole visible log of each table in one REPEATABLE READ transaction: then all shadows are as their sources
/// were at one instant. A materialized view over several of them, built in the same transaction, shows that instant
/// too. Locks: sources and shadows ACCESS SHARE, each job's row FOR KEY SHARE.
/// @throws transfer::source_truncated; error (failed) naming the rows that violate a new key between two of the tables
[[nodiscard]] awaitable<void> reach_one_moment(std::vector<exchanged> tables, ahead what);

}  // namespace pgeist::swap
