#include "pgeist/ddl/sql_text.hpp"

#include <fmt/format.h>

extern "C" {
#include <pg_query.h>
}

#include "pgeist/core/error.hpp"
#include "scan_result.hpp"

namespace pgeist::ddl::sql_text {

namespace {

std::string lower(std::string text) {
    for (char& c : text) {
        // The server folds only ASCII in UTF-8 databases; so do we.
        c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    return text;
}

std::string unquoted(const std::string& text) {
    std::string name;
    for (std::size_t at = 1; at + 1 < text.size(); ++at) {
        name += text[at];
        at += text[at] == '"' ? 1 : 0;
    }
    return name;
}

token read_token(const std::string& text, const scan_result::token& from) {
    token each;
    each.begin = from.begin;
    each.end = from.end;
    const std::string spelled = text.substr(each.begin, each.end - each.begin);
    const bool identifier = from.kind == scan_result::identifier;
    if (from.kind < scan_result::first_named) {
        each.sign = spelled.empty() ? '\0' : spelled[0];
    } else if (from.kind == scan_result::string_literal) {
        each.literal = true;
    } else if (identifier && spelled.size() > 1 && spelled[0] == '"') {
        each.quoted = true;
        each.word = unquoted(spelled);
    } else if (identifier || from.keyword) {
        each.word = lower(spelled);
    }
    return each;
}

bool is_comment(const scan_result::token& from) {
    return from.kind == scan_result::line_comment || from.kind == scan_result::block_comment;
}

}  // namespace

std::vector<token> scan(const std::string& text) {
    const PgQueryScanResult result = pg_query_scan(text.c_str());
    if (result.error != nullptr) {
        const std::string message = result.error->message;
        pg_query_free_scan_result(result);
        throw error(exit_code::refused, fmt::format("{}: {}", message, text));
    }
    const std::string packed(result.pbuf.data, result.pbuf.len);
    pg_query_free_scan_result(result);
    std::vector<token> tokens;
    for (const auto& each : scan_result::unpack(packed)) {
        if (!is_comment(each)) {
            tokens.push_back(read_token(text, each));
        }
    }
    return tokens;
}

tree parse(const std::string& text) {
    // Expressions nest deeper than the JSON library allows by itself; how deep is limited by the parser's own stack.
    boost::json::parse_options deep;
    deep.max_depth = 10'000;
    deep.allow_invalid_utf8 = true;  // names in a database in SQL_ASCII
    const PgQueryParseResult result = pg_query_parse(text.c_str());
    tree parsed;
    if (result.error != nullptr) {
        parsed.message = result.error->message;
        parsed.position = result.error->cursorpos > 0 ? static_cast<std::size_t>(result.error->cursorpos) : 0;
    } else {
        boost::system::error_code problem;
        parsed.root = boost::json::parse(result.parse_tree, problem, {}, deep);
        if (problem) {
            parsed.message = "the statement is nested too deeply";
        }
    }
    pg_query_free_parse_result(result);
    return parsed;
}

}  // namespace pgeist::ddl::sql_text
