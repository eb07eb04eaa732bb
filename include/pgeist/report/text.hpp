#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace pgeist::report {

/// `text` on one line and harmless to a terminal: control characters, line feeds and escape sequences become spaces,
/// invalid UTF-8 becomes `?`. For names, queries and messages that come from the server.
[[nodiscard]] std::string one_line(std::string_view text);

/// As one_line, but line feeds and tabs stay.
[[nodiscard]] std::string harmless(std::string_view text);

/// `text` with every byte outside ASCII, or sequence of them, replaced, for terminals of another encoding.
[[nodiscard]] std::string to_ascii(std::string_view text);

/// Columns that valid UTF-8 takes on a terminal, counted as one a code point.
[[nodiscard]] std::size_t columns_of(std::string_view text);

/// At most `columns` of `text`; what is cut off is replaced by `…`, or by `...` in ASCII.
[[nodiscard]] std::string shortened(std::string_view text, std::size_t columns, bool utf8);

/// `text` filled up with spaces on the right.
[[nodiscard]] std::string padded(std::string_view text, std::size_t columns);

/// `text` filled up with spaces on the left.
[[nodiscard]] std::string padded_left(std::string_view text, std::size_t columns);

/// `1.5s`, `2min`: a duration given in seconds.
[[nodiscard]] std::string seconds_text(double seconds);

/// RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.123Z`.
[[nodiscard]] std::string timestamp(std::chrono::system_clock::time_point time);

/// Local time of day, `12:00:00`, for log lines.
[[nodiscard]] std::string time_of_day(std::chrono::system_clock::time_point time);

}  // namespace pgeist::report
