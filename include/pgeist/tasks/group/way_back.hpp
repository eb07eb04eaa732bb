#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::group {

/// The tables that a group has replaced are kept in step, each by its own log, and change places with the new ones
/// again, all of them or none. The job of the first one is of this kind and leads; those of the others are ways back of
/// one table each. A group hands its jobs over when its swap is finished.
[[nodiscard]] const task::kind& way_back_kind();

}  // namespace pgeist::group
