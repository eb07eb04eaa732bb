#include "clock.hpp"

#include <map>
#include <vector>

#include <fmt/format.h>

#include "pgeist/core/identifier.hpp"
#include "pgeist/ddl/sql_text.hpp"

namespace pgeist::fill {

namespace {

struct replacement {
    std::size_t begin;
    std::size_t end;
    std::string by;
};

/// What stands for the moment in the type that `word` gives; empty: it is no such word.
std::string value_of(const std::string& word, bool called, const std::string& moment) {
    static const std::map<std::string, const char*> values{{"current_timestamp", "timestamp with time zone"},
                                                           {"localtimestamp", "timestamp without time zone"},
                                                           {"current_date", "date"}};
    const bool is_call = called && (word == "now" || word == "transaction_timestamp" || word == "statement_timestamp");
    const auto found = values.find(word);
    if (!is_call && (found == values.end() || called)) {
        return "";
    }
    const std::string base = fmt::format("CAST({} AS timestamp with time zone)", quote_literal(moment));
    return is_call || word == "current_timestamp" ? base : fmt::format("CAST({} AS {})", base, found->second);
}

}  // namespace

std::string with_time_fixed(const std::string& sql, const std::string& moment) {
    const auto tokens = ddl::sql_text::scan(sql);
    std::vector<replacement> all;
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        const auto& token = tokens[at];
        if (token.word.empty() || token.quoted || (at > 0 && tokens[at - 1].sign == '.')) {
            continue;
        }
        const bool called = at + 1 < tokens.size() && tokens[at + 1].sign == '(';
        const bool empty = called && at + 2 < tokens.size() && tokens[at + 2].sign == ')';
        const std::string by = called && !empty ? "" : value_of(token.word, called, moment);
        if (!by.empty()) {
            all.push_back({token.begin, called ? tokens[at + 2].end : token.end, by});
        }
    }
    std::string text = sql;
    for (auto each = all.rbegin(); each != all.rend(); ++each) {
        text.replace(each->begin, each->end - each->begin, each->by);
    }
    return text;
}

}  // namespace pgeist::fill
