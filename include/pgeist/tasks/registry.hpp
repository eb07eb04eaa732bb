#pragma once

#include <cstdint>
#include <string>

#include "pgeist/task/kind.hpp"

namespace pgeist::tasks {

/// The kind of work by its name in a job's row. A new kind is entered in registry.cpp.
/// @param job for the message
/// @throws error (refused) when this version of pgeist does not know it
[[nodiscard]] const task::kind& kind_named(const std::string& name, std::int64_t job);

}  // namespace pgeist::tasks
