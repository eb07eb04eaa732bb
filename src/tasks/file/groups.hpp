#pragma once

#include "pgeist/tasks/children/children.hpp"

namespace pgeist::file {

/// A step's tables, which are exchanged in one transaction: the leader's job is the step's.
[[nodiscard]] const children::maker& groups();

}  // namespace pgeist::file
