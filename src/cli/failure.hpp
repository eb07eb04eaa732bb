#pragma once

#include <exception>

#include "pgeist/report/observer.hpp"

namespace pgeist::cli {

/// What a failure means to the caller: exit code, message, hint. Takes whatever a command can throw.
[[nodiscard]] report::outcome outcome_of(const std::exception_ptr& failure);

}  // namespace pgeist::cli
