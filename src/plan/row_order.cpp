#include "pgeist/plan/row_order.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist::plan {

namespace {

constexpr std::string_view blanks = " \t\r\n";

[[noreturn]] void throw_not_understood(std::string_view text) {
    throw usage_error(fmt::format("\"{}\" is no order", text),
                      "write COLUMN [DESC] [NULLS FIRST|LAST], … or the name of an index; an expression is ordered by "
                      "an index on it");
}

std::string in_lower_case(std::string word) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return word;
}

/// Words, quoted ones and dotted ones whole, and commas.
std::vector<std::string> split(std::string_view text) {
    std::vector<std::string> words;
    bool quoted = false;
    bool open = false;  // a word is being read
    for (const char c : text) {
        if (c == '"') {
            quoted = !quoted;
        }
        if (!quoted && (c == ',' || blanks.find(c) != std::string_view::npos)) {
            open = false;
            if (c == ',') {
                words.emplace_back(",");
            }
            continue;
        }
        if (!open) {
            words.emplace_back();
            open = true;
        }
        words.back() += c;
    }
    if (quoted) {
        throw_not_understood(text);
    }
    return words;
}

}  // namespace

std::vector<order_word> parse_row_order(std::string_view text) {
    std::vector<order_word> all;
    const std::vector<std::string> words = split(text);
    bool may_follow = true;  // a comma, or the end, may not
    for (std::size_t at = 0; at < words.size(); ++at) {
        const std::string word = in_lower_case(words[at]);
        const bool goes_on = !all.empty() && at > 0 && words[at - 1] != ",";
        if (word == ",") {
            if (may_follow) {
                throw_not_understood(text);
            }
            may_follow = true;
            continue;
        }
        may_follow = false;
        if (goes_on && (word == "asc" || word == "desc")) {
            all.back().descending = word == "desc";
            all.back().bare = false;
        } else if (goes_on && word == "nulls") {
            const std::string where = ++at < words.size() ? in_lower_case(words[at]) : "";
            if (where != "first" && where != "last") {
                throw_not_understood(text);
            }
            all.back().nulls_first = where == "first";
            all.back().bare = false;
        } else {
            order_word next;
            try {
                next.name = parse_qualified_name(words[at]);
            } catch (const usage_error&) {
                throw_not_understood(text);
            }
            all.push_back(std::move(next));
        }
    }
    if (may_follow) {
        throw_not_understood(text);
    }
    return all;
}

}  // namespace pgeist::plan
