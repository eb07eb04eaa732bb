#pragma once

#include <string>

#include "pgeist/plan/alter.hpp"

namespace pgeist::plan {

/// Finds out what the clause `text` does.
/// @throws error with exit code `refused` for what pgeist does not do, naming the clause
[[nodiscard]] clause classify(const std::string& text);

}  // namespace pgeist::plan
