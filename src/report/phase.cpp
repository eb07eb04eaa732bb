#include "pgeist/report/phase.hpp"

#include <string_view>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"

namespace pgeist::report {

namespace {

std::string_view name_of(unit what, bool one) {
    switch (what) {
        case unit::rows:
            return one ? "row" : "rows";
        case unit::indexes:
            return one ? "index" : "indexes";
        case unit::steps:
            break;
    }
    return one ? "step" : "steps";
}

}  // namespace

std::string counted(std::int64_t count, const phase& in) {
    return fmt::format("{} {}", format_count(count), name_of(in.counts, count == 1));
}

std::string counted(std::int64_t count, std::int64_t total, const phase& in) {
    return fmt::format("{} of {} {}", format_count(count), format_count(total), name_of(in.counts, total == 1));
}

}  // namespace pgeist::report
