#include "pgeist/report/text.hpp"

#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "pgeist/core/ascii.hpp"
#include "pgeist/core/units.hpp"

namespace pgeist::report {

namespace {

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80; }

/// Length of the valid UTF-8 sequence at `at`, 0 when there is none. C1 control characters (U+0080 … U+009F) count as
/// invalid: terminals act on them.
std::size_t sequence_length(std::string_view text, std::size_t at) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (first < 0x80) {
        return 1;
    }
    const std::size_t length = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 ? 3 : first >= 0xC2 ? 2 : 0;
    if (length == 0 || first >= 0xF5 || at + length > text.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (!is_continuation(text[at + i])) {
            return 0;
        }
    }
    const auto second = static_cast<unsigned char>(text[at + 1]);
    const bool c1 = first == 0xC2 && second < 0xA0;
    const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    const bool surrogate = first == 0xED && second >= 0xA0;
    const bool too_large = first == 0xF4 && second >= 0x90;
    return c1 || overlong || surrogate || too_large ? 0 : length;
}

std::string cleaned(std::string_view text, bool keep_lines) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = sequence_length(text, at);
        const auto byte = static_cast<unsigned char>(text[at]);
        if (length == 0) {
            out += '?';
        } else if (byte < 0x20 || byte == 0x7F) {
            out += keep_lines && (byte == '\n' || byte == '\t') ? static_cast<char>(byte) : ' ';
        } else {
            out += text.substr(at, length);
        }
        at += length == 0 ? 1 : length;
    }
    return out;
}

}  // namespace

std::string one_line(std::string_view text) { return cleaned(text, false); }

std::string harmless(std::string_view text) { return cleaned(text, true); }

std::string to_ascii(std::string_view text) { return pgeist::to_ascii(text); }

std::size_t columns_of(std::string_view text) {
    std::size_t columns = 0;
    for (const char byte : text) {
        columns += is_continuation(byte) ? 0 : 1;
    }
    return columns;
}

std::string shortened(std::string_view text, std::size_t columns, bool utf8) {
    if (columns_of(text) <= columns) {
        return std::string(text);
    }
    const std::string_view mark = utf8 ? "…" : "...";
    const std::size_t room = columns > columns_of(mark) ? columns - columns_of(mark) : 0;
    std::size_t bytes = 0;
    for (std::size_t taken = 0; bytes < text.size(); ++bytes) {
        if (!is_continuation(text[bytes]) && taken++ == room) {
            break;
        }
    }
    std::string out(text.substr(0, bytes));
    return columns < columns_of(mark) ? out : out + std::string(mark);
}

std::string padded(std::string_view text, std::size_t columns) {
    std::string out(text);
    const std::size_t has = columns_of(text);
    out.append(has < columns ? columns - has : 0, ' ');
    return out;
}

std::string padded_left(std::string_view text, std::size_t columns) {
    const std::size_t has = columns_of(text);
    std::string out(has < columns ? columns - has : 0, ' ');
    out += text;
    return out;
}

std::string seconds_text(double seconds) {
    return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

std::string timestamp(std::chrono::system_clock::time_point time) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(time);
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(time - whole).count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(whole)), rest);
}

std::string time_of_day(std::chrono::system_clock::time_point time) {
    return fmt::format("{:%H:%M:%S}", fmt::localtime(std::chrono::system_clock::to_time_t(time)));
}

}  // namespace pgeist::report
