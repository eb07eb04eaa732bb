#include "pgeist/core/identifier.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist {

namespace {

bool starts_identifier(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return std::isalpha(byte) != 0 || c == '_' || byte >= 0x80;
}

bool continues_identifier(char c) {
    return starts_identifier(c) || std::isdigit(static_cast<unsigned char>(c)) != 0 || c == '$';
}

[[noreturn]] void reject(std::string_view text) {
    throw usage_error(fmt::format("\"{}\" is not a table name", text),
                      "write NAME or SCHEMA.NAME; names with upper case or special characters need double quotes");
}

std::string read_quoted(std::string_view text, std::size_t& at) {
    std::string part;
    for (++at; at < text.size(); ++at) {
        if (text[at] != '"') {
            part += text[at];
        } else if (at + 1 < text.size() && text[at + 1] == '"') {
            part += text[at++];
        } else {
            ++at;
            return part;
        }
    }
    reject(text);
}

std::string read_part(std::string_view text, std::size_t& at) {
    if (at < text.size() && text[at] == '"') {
        return read_quoted(text, at);
    }
    std::string part;
    if (at >= text.size() || !starts_identifier(text[at])) {
        reject(text);
    }
    for (; at < text.size() && continues_identifier(text[at]); ++at) {
        // The server folds only ASCII in UTF-8 databases; so do we.
        part += static_cast<char>(text[at] >= 'A' && text[at] <= 'Z' ? text[at] + ('a' - 'A') : text[at]);
    }
    return part;
}

std::string double_up(std::string_view value, char quote) {
    std::string out(1, quote);
    for (const char c : value) {
        out.append(c == quote ? 2 : 1, c);
    }
    return out + quote;
}

}  // namespace

std::string quote_identifier(std::string_view name) { return double_up(name, '"'); }

std::string quote_literal(std::string_view value) {
    if (value.find('\\') == std::string_view::npos) {
        return double_up(value, '\'');
    }
    std::string escaped;
    for (const char c : value) {
        escaped.append(c == '\\' ? 2 : 1, c);
    }
    return "E" + double_up(escaped, '\'');
}

std::string join(const std::vector<std::string>& items, std::string_view separator) {
    return fmt::format("{}", fmt::join(items, separator));
}

std::string display_identifier(std::string_view name) {
    const bool plain = !name.empty() && (std::islower(static_cast<unsigned char>(name[0])) != 0 || name[0] == '_') &&
                       std::all_of(name.begin(), name.end(), [](char c) {
                           const auto byte = static_cast<unsigned char>(c);
                           return std::islower(byte) != 0 || std::isdigit(byte) != 0 || c == '_';
                       });
    return plain ? std::string(name) : quote_identifier(name);
}

std::string qualified_name::sql() const { return quote_identifier(schema) + "." + quote_identifier(name); }

std::string qualified_name::display() const {
    if (name.empty()) {
        return {};  // no table, which "" is no name of
    }
    return schema.empty() ? display_identifier(name) : display_identifier(schema) + "." + display_identifier(name);
}

qualified_name parse_qualified_name(std::string_view text) {
    std::size_t at = 0;
    qualified_name result;
    result.name = read_part(text, at);
    if (at < text.size() && text[at] == '.') {
        result.schema = std::move(result.name);
        ++at;
        result.name = read_part(text, at);
    }
    if (at != text.size() || result.name.empty()) {
        reject(text);
    }
    return result;
}

}  // namespace pgeist
