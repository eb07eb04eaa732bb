#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::way_back {

/// The table that a rewrite has replaced is kept in step and changes places with the new one again, as often as is
/// wanted. A rewrite hands its job over to this kind when its swap is finished.
[[nodiscard]] const task::kind& kind();

/// Why the tables cannot change places again; nothing when they can, as far as is known without a look at the rows.
[[nodiscard]] std::optional<std::string> why_not(const job::record& job);

}  // namespace pgeist::way_back
