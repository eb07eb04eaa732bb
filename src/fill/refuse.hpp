#pragma once

#include <string>
#include <utility>

#include "pgeist/core/error.hpp"

namespace pgeist::fill {

[[noreturn]] inline void refuse(std::string what, std::string hint = {}) {
    throw error(exit_code::refused, std::move(what), std::move(hint));
}

}  // namespace pgeist::fill
