#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::rehearse {

/// In the job's row.
inline constexpr const char* kind_name = "rehearse";
/// The event with which the figures are noted with the job, as report::to_json() writes them.
inline constexpr const char* figures_event = "rehearsal";

/// A rewrite up to its swap, on the live table under its load; what the swap would meet is looked at, or met and rolled
/// back; then all of it is taken back, and the job is done. Never in effect.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::rehearse
