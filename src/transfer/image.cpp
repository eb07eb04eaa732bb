#include "pgeist/transfer/image.hpp"

#include <map>
#include <set>

#include <fmt/format.h>

namespace pgeist::transfer {

namespace {

/// Types whose `=` is true only for the same bytes. Numbers with a scale or a negative zero, json, padded text,
/// intervals and everything composed of others are not among them.
bool is_plain(const std::string& type) {
    static const std::set<std::string> plain{"smallint",
                                             "integer",
                                             "bigint",
                                             "oid",
                                             "boolean",
                                             "date",
                                             "timestamp without time zone",
                                             "uuid",
                                             "bytea",
                                             "pg_lsn",
                                             "\"char\"",
                                             "name",
                                             "money",
                                             "timestamp with time zone",
                                             "xid8",
                                             "macaddr",
                                             "time without time zone"};
    return plain.count(type) != 0;
}

/// Types that are sent to a binary client value by value, so that the bytes sent are the same for the same value only.
std::string send_function(const std::string& type) {
    static const std::map<std::string, std::string> functions{
        {"numeric", "numeric_send"},
        {"real", "float4send"},
        {"double precision", "float8send"},
        {"interval", "interval_send"},
        {"time with time zone", "timetz_send"},
    };
    const auto found = functions.find(type);
    return found == functions.end() ? "" : found->second;
}

bool is_text(const std::string& type) { return type == "text" || type == "character varying"; }

}  // namespace

std::string without_length(const std::string& type) {
    const std::size_t open = type.find('(');
    const std::size_t close = type.find(')');
    return open == type.npos || close == type.npos ? type : type.substr(0, open) + type.substr(close + 1);
}

std::string loose_type(const std::string& type) {
    std::string loose = without_length(type);
    // Without a length these keywords mean one of 1.
    for (const auto& [keyword, name] :
         {std::pair("character", "pg_catalog.bpchar"), std::pair("bit", "pg_catalog.\"bit\"")}) {
        const std::string word = keyword;
        const bool is_it = loose == word || loose.rfind(word + "[", 0) == 0;
        if (is_it) {
            loose.replace(0, word.size(), name);
        }
    }
    return loose;
}

bool is_exact_widening(const std::string& from, const std::string& to) {
    const auto rank = [](const std::string& type) {
        return type == "smallint" ? 1 : type == "integer" ? 2 : type == "bigint" ? 3 : 0;
    };
    return rank(from) > 0 && rank(to) >= rank(from);
}

std::string value_differs(const std::string& type, const std::string& left, const std::string& right) {
    const std::string plain = without_length(type);
    if (plain == "numeric" || plain == "numeric[]") {
        return fmt::format("{} IS DISTINCT FROM {}", left, right);
    }
    return image_differs(type, left, right);
}

std::string image_differs(const std::string& type, const std::string& left, const std::string& right) {
    const std::string plain = without_length(type);
    const std::string send = send_function(plain);
    if (is_plain(plain)) {
        return fmt::format("{} IS DISTINCT FROM {}", left, right);
    }
    if (is_text(plain)) {
        return fmt::format("{} COLLATE \"C\" IS DISTINCT FROM {} COLLATE \"C\"", left, right);
    }
    if (!send.empty()) {
        return fmt::format("{0}({1}) IS DISTINCT FROM {0}({2})", send, left, right);
    }
    // One column at a time: together large values may be more than the server can hold in one piece of memory.
    return fmt::format("record_image_ne(ROW({}), ROW({}))", left, right);
}

}  // namespace pgeist::transfer
