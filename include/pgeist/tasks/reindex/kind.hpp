#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::reindex {

/// In the job's row.
inline constexpr const char* kind_name = "reindex";

/// Indexes of one table are rebuilt CONCURRENTLY, one after the other. Those that are done stay, whatever becomes of
/// the rest.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::reindex
