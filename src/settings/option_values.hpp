#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgeist::run {

/// Whether an optional limit is given up: `off` or `none`.
[[nodiscard]] bool is_off(const std::string& value);

/// A whole number within bounds. @throws usage_error naming the bounds
[[nodiscard]] std::int64_t whole_number(const std::string& value, std::int64_t least, std::int64_t most);

/// A number, with a fraction if wanted, within bounds. @throws usage_error naming the bounds
[[nodiscard]] double number(const std::string& value, double least, double most);

/// A time within bounds. @throws usage_error naming the bounds
[[nodiscard]] std::chrono::milliseconds duration(const std::string& value, std::chrono::milliseconds least,
                                                 std::chrono::milliseconds most);

/// A size of at least `least` bytes. @throws usage_error
[[nodiscard]] std::int64_t size(const std::string& value, std::int64_t least);

/// The value of `--max-lag`: `[NAME[,NAME…]:]VALUE`, where VALUE is a size or a time with its unit.
struct lag_limit {
    std::vector<std::string> replicas;
    std::optional<std::int64_t> bytes;
    std::optional<std::chrono::milliseconds> time;
};

/// @throws usage_error
[[nodiscard]] lag_limit parse_lag_limit(const std::string& value);

}  // namespace pgeist::run
