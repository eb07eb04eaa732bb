#include "pgeist/core/units.hpp"

#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist {

namespace {

/// Some 280,000 years; what is longer may not be representable as a time point.
constexpr double longest_ms = 9e15;

struct number_with_unit {
    double value;
    std::string unit;
};

number_with_unit split(std::string_view text, std::string_view kind, std::string_view example) {
    const std::string copy(text);
    char* end = nullptr;
    const bool hexadecimal = copy.size() > 1 && (copy[1] == 'x' || copy[1] == 'X');  // strtod would read it
    const bool starts_with_digit =
        !copy.empty() && std::isdigit(static_cast<unsigned char>(copy[0])) != 0 && !hexadecimal;
    const double value = starts_with_digit ? std::strtod(copy.c_str(), &end) : -1;
    if (!starts_with_digit || value < 0 || !std::isfinite(value)) {
        throw usage_error(fmt::format("\"{}\" is not a {}", text, kind), fmt::format("write for example {}", example));
    }
    std::string unit(end);
    while (!unit.empty() && unit.front() == ' ') {
        unit.erase(0, 1);
    }
    return number_with_unit{value, unit};
}

}  // namespace

std::chrono::milliseconds parse_duration(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, double>, 6> units{
        {{"us", 0.001}, {"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
    const number_with_unit read = split(text, "time", "200ms, 5s or 10min");
    for (const auto& [name, factor] : units) {
        if (read.unit == name && read.value * factor < longest_ms) {
            return std::chrono::milliseconds(std::llround(read.value * factor));
        }
    }
    if (read.unit.empty() && read.value == 0) {
        return std::chrono::milliseconds(0);
    }
    throw usage_error(fmt::format("\"{}\" is not a time", text),
                      "give a unit: us, ms, s, min, h or d, for example 200ms");
}

std::int64_t parse_size(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, int>, 6> units{
        {{"", 0}, {"B", 0}, {"kB", 10}, {"MB", 20}, {"GB", 30}, {"TB", 40}}};
    const number_with_unit read = split(text, "size", "64MB or 2GB");
    for (const auto& [name, shift] : units) {
        if (read.unit == name) {
            const double bytes = std::ldexp(read.value, shift);
            if (bytes < 9e18) {
                return std::llround(bytes);
            }
        }
    }
    throw usage_error(fmt::format("\"{}\" is not a size", text), "use B, kB, MB, GB or TB, for example 64MB");
}

std::string format_duration(std::chrono::milliseconds time) {
    const auto ms = time.count();
    if (ms < 1000) {
        return fmt::format("{}ms", ms);
    }
    if (ms < 60'000) {
        return fmt::format("{:.1f}s", static_cast<double>(ms) / 1000);
    }
    const auto seconds = ms / 1000;
    if (seconds < 3600) {
        return fmt::format("{}m{:02}s", seconds / 60, seconds % 60);
    }
    return fmt::format("{}h{:02}m", seconds / 3600, seconds % 3600 / 60);
}

std::string format_size(std::int64_t bytes) {
    static constexpr std::array<std::string_view, 5> names{"B", "kB", "MB", "GB", "TB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 * 10 && unit + 1 < names.size()) {
        value /= 1024;
        ++unit;
    }
    return fmt::format("{:.0f} {}", value, names[unit]);
}

std::string format_count(std::int64_t count) {
    std::string digits = std::to_string(count);
    for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3) {
        digits.insert(static_cast<std::size_t>(at), ",");
    }
    return digits;
}

}  // namespace pgeist
