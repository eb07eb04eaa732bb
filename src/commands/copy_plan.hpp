#pragma once

#include <string>

#include "pgeist/plan/describe.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

/// What a plan tells of a copy. Refers to both, which must outlive it.
[[nodiscard]] plan::description described(const plan::change_request& change, const rewrite::preparation& made);

/// Every statement that the run would make, in order. There must be a blueprint.
[[nodiscard]] std::string sql_of(const rewrite::preparation& made);

}  // namespace pgeist::commands
