#pragma once

#include <chrono>

namespace pgeist::rewrite {

/// How much replay may be left before indexes are built or rows are compared.
inline constexpr auto small_backlog = std::chrono::milliseconds(1000);
/// Between two passes of a replay that goes on beside something else.
inline constexpr auto replay_pause = std::chrono::milliseconds(200);

}  // namespace pgeist::rewrite
