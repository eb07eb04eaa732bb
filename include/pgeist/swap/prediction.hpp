#pragma once

#include "pgeist/build/workspace.hpp"
#include "pgeist/lock/table_lock.hpp"

namespace pgeist::swap {

/// Everything that the swap locks, for who only looks.
[[nodiscard]] lock::target locked_by_swap(const plan::blueprint& plan);

/// How long the swap will hold its lock, in milliseconds, when the shadow is complete: its questions are asked and
/// timed, the shadow is moved to another schema and back, and what is left counts by its statements. Rolled back.
/// Locks: the shadow alone, which nobody else uses.
[[nodiscard]] awaitable<double> predict_lock_ms(build::workspace& work, pg::connection& session);

}  // namespace pgeist::swap
