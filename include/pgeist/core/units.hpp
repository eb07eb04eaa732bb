#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgeist {

/// Reads a time with its unit: `us`, `ms`, `s`, `min`, `h`, `d`. A bare number other than 0 is refused: its unit would
/// be a guess.
/// @throws usage_error
[[nodiscard]] std::chrono::milliseconds parse_duration(std::string_view text);

/// Reads a size: `B`, `kB`, `MB`, `GB`, `TB` (powers of 1024, as PostgreSQL's settings), or plain bytes.
/// @throws usage_error
[[nodiscard]] std::int64_t parse_size(std::string_view text);

/// `1.2s`, `340ms`, `3m05s`, `2h10m`.
[[nodiscard]] std::string format_duration(std::chrono::milliseconds time);

/// `953 MB`, `12 kB`.
[[nodiscard]] std::string format_size(std::int64_t bytes);

/// `1,234,567`.
[[nodiscard]] std::string format_count(std::int64_t count);

}  // namespace pgeist
