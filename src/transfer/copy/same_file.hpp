#pragma once

#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::copy {

/// Places are those of one file. A chunk's transaction keeps it from being rewritten until the commit by its lock; at
/// the end of the copy none is needed: blocks may be missing that are behind the end of another file.
/// @throws transfer::source_rewritten, transfer::source_truncated
[[nodiscard]] awaitable<void> require_same_file(transfer::workspace& work, pg::connection& session);

}  // namespace pgeist::copy
