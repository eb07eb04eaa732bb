#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::group {

/// In the row of the job that leads; those of the others are rehearsals of one table each.
inline constexpr const char* rehearsal_kind_name = "group_rehearsal";

/// A group up to its swap, on the live tables under their load, and all of it taken back: as rehearse::kind() does it
/// with one table. The figures are those of all tables together.
[[nodiscard]] const task::kind& rehearsal_kind();

}  // namespace pgeist::group
