#include "option_values.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"

namespace pgeist::run {

namespace {

std::vector<std::string> split_names(const std::string& text) {
    std::vector<std::string> names;
    std::size_t from = 0;
    while (from <= text.size()) {
        const std::size_t comma = std::min(text.find(',', from), text.size());
        std::string name = text.substr(from, comma - from);
        if (name.empty()) {
            throw usage_error(fmt::format("\"{}\" names no replica", text), "write NAME:VALUE or NAME,NAME:VALUE");
        }
        names.push_back(std::move(name));
        from = comma + 1;
    }
    return names;
}

bool has_unit(const std::string& value) {
    return !value.empty() && std::isalpha(static_cast<unsigned char>(value.back())) != 0;
}

}  // namespace

bool is_off(const std::string& value) { return value == "off" || value == "none"; }

std::int64_t whole_number(const std::string& value, std::int64_t least, std::int64_t most) {
    std::int64_t read = 0;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), read);
    if (problem == std::errc::invalid_argument || end != value.data() + value.size() || value.empty()) {
        throw usage_error(fmt::format("\"{}\" is not a whole number", value),
                          fmt::format("give a number from {} to {}", least, most));
    }
    if (problem != std::errc() || read < least || read > most) {
        throw usage_error(fmt::format("{} is out of range", value),
                          fmt::format("give a number from {} to {}", least, most));
    }
    return read;
}

double number(const std::string& value, double least, double most) {
    double read = 0;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), read);
    if (problem != std::errc() || end != value.data() + value.size() || !std::isfinite(read)) {
        throw usage_error(fmt::format("\"{}\" is not a number", value),
                          fmt::format("give a number from {} to {}", least, most));
    }
    if (read < least || read > most) {
        throw usage_error(fmt::format("{} is out of range", value),
                          fmt::format("give a number from {} to {}", least, most));
    }
    return read;
}

std::chrono::milliseconds duration(const std::string& value, std::chrono::milliseconds least,
                                   std::chrono::milliseconds most) {
    const auto read = parse_duration(value);
    if (read < least || read > most) {
        throw usage_error(fmt::format("{} is out of range", value),
                          fmt::format("give a time from {} to {}", format_duration(least), format_duration(most)));
    }
    return read;
}

std::int64_t size(const std::string& value, std::int64_t least) {
    const auto read = parse_size(value);
    if (read < least) {
        throw usage_error(fmt::format("{} is too small", value), fmt::format("give {} or more", format_size(least)));
    }
    return read;
}

lag_limit parse_lag_limit(const std::string& value) {
    lag_limit limit;
    const std::size_t colon = value.rfind(':');
    const std::string amount = colon == std::string::npos ? value : value.substr(colon + 1);
    if (colon != std::string::npos) {
        limit.replicas = split_names(value.substr(0, colon));
    }
    const auto unusable = [&](const std::string& what) {
        return usage_error(what, "give a size or a time with its unit, for example 64MB or 10s");
    };
    if (!has_unit(amount)) {
        throw unusable(fmt::format("\"{}\" has no unit", amount));
    }
    if (amount.back() == 'B') {
        limit.bytes = size(amount, 1);
        return limit;
    }
    try {
        limit.time = parse_duration(amount);
    } catch (const usage_error&) {
        throw unusable(fmt::format("\"{}\" is neither a size nor a time", amount));
    }
    return limit;
}

}  // namespace pgeist::run
