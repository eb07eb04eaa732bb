#pragma once

#include <vector>

#include "pgeist/task/phase.hpp"

namespace pgeist::way_back {

/// The phases of a way back in their order, as places in phases(). Between two swaps the job rests in the first.
enum class step { window, catch_up, verify, swap, finish, done };

/// What is stored and told of them, how they are repeated and taken back.
[[nodiscard]] std::vector<task::phase> phases();

}  // namespace pgeist::way_back
