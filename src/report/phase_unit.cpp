#include "pgeist/report/phase_unit.hpp"

#include <fmt/format.h>

#include "pgeist/core/units.hpp"

namespace pgeist::report {

namespace {

std::string_view unit_of(std::string_view phase, bool one) {
    if (counts_rows(phase)) {
        return one ? "row" : "rows";
    }
    if (phase == "build" || phase == "key") {
        return one ? "index" : "indexes";
    }
    return one ? "step" : "steps";
}

}  // namespace

bool works_in_chunks(std::string_view phase) noexcept { return phase == "copy" || phase == "verify"; }

bool counts_rows(std::string_view phase) noexcept {
    return phase == "copy" || phase == "replay" || phase == "verify" || phase == "swap";
}

std::string counted(std::int64_t count, std::string_view phase) {
    return fmt::format("{} {}", format_count(count), unit_of(phase, count == 1));
}

std::string counted(std::int64_t count, std::int64_t total, std::string_view phase) {
    return fmt::format("{} of {} {}", format_count(count), format_count(total), unit_of(phase, total == 1));
}

}  // namespace pgeist::report
