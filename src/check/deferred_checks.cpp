#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

awaitable<void> check_deferred_checks(const subject& what, findings& into) {
    for (const auto& each : what.source->constraints) {
        if (each.recheck_disabled) {
            refuse(
                into, "deferred_checks",
                fmt::format("the trigger of deferrable constraint {} is disabled, which cannot be carried to the new "
                            "table",
                            display_identifier(each.name)),
                "ALTER TABLE … ENABLE TRIGGER ALL, or drop the constraint");
        }
    }
    co_return;
}

}  // namespace pgeist::check
