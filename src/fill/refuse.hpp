#pragma once

#include <string>
#include <utility>

#include "pgeist/core/error.hpp"
#include "pgeist/fill/planner.hpp"

namespace pgeist::fill {

[[noreturn]] inline void refuse(std::string what, std::string hint = {}) {
    throw error(exit_code::refused, std::move(what), std::move(hint));
}

/// Of an expression whose value is another one each time, whatever else the table is going to have.
[[noreturn]] inline void refuse_unsteady(std::string what, std::string hint = {}) {
    throw unsteady(what, std::move(hint));
}

}  // namespace pgeist::fill
