#pragma once

#include <vector>

#include "pgeist/task/phase.hpp"

namespace pgeist::rewrite {

/// The phases of a rewrite in their order, as places in phases().
enum class step { prepare, capture, copy, key, replay, build, catch_up, verify, swap, finish, done };

/// What is stored and told of them, how they are repeated and taken back.
[[nodiscard]] std::vector<task::phase> phases();

}  // namespace pgeist::rewrite
