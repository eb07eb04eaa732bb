#include "pgeist/report/terminal/bar.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace pgeist::report {

namespace {

std::string repeated(std::string_view symbol, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) {
        out += symbol;
    }
    return out;
}

}  // namespace

std::string render_bar(double percent, int columns, bool utf8) {
    if (columns <= 0) {
        return {};
    }
    const double part = std::isfinite(percent) ? std::clamp(percent, 0.0, 100.0) / 100 : 0;
    if (!utf8) {
        const int inside = std::max(0, columns - 2);
        const int full = static_cast<int>(part * inside);
        return columns < 2 ? std::string(static_cast<std::size_t>(columns), ' ')
                           : "[" + std::string(static_cast<std::size_t>(full), '#') +
                                 std::string(static_cast<std::size_t>(inside - full), '-') + "]";
    }
    static constexpr std::string_view eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int steps = static_cast<int>(part * columns * 8);
    const int rest = steps % 8;
    const int empty = columns - steps / 8 - (rest > 0 ? 1 : 0);
    return repeated("█", steps / 8) + std::string(eighths[rest]) + repeated("░", empty);
}

}  // namespace pgeist::report
