#pragma once

#include <string_view>

namespace pgeist::report {

/// What a phase counts as `rows_done`: rows, but indexes where indexes are built, and steps where there is nothing to
/// count.
[[nodiscard]] constexpr std::string_view unit_of(std::string_view phase) noexcept {
    if (phase == "copy" || phase == "replay" || phase == "verify" || phase == "swap") {
        return "rows";
    }
    return phase == "build" || phase == "key" ? "indexes" : "steps";
}

/// Whether its rate and the time left by that rate mean anything.
[[nodiscard]] constexpr bool counts_rows(std::string_view phase) noexcept { return unit_of(phase) == "rows"; }

}  // namespace pgeist::report
