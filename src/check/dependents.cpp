#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

awaitable<void> check_dependents(const subject& what, findings& into) {
    for (const auto& each : what.source->dependents) {
        refuse(into, "dependents", fmt::format("{} cannot be carried to the new table: {}", each.name, each.reason),
               fmt::format("drop the {} for the time of the run and make it again afterwards", each.kind));
    }
    co_return;
}

}  // namespace pgeist::check
