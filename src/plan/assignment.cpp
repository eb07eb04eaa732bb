#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/ddl/sql_text.hpp"
#include "pgeist/plan/alter.hpp"

namespace pgeist::plan {

assignment parse_assignment(const std::string& text) {
    const auto tokens = ddl::sql_text::scan(text);
    if (tokens.size() < 3 || tokens[0].word.empty() || tokens[1].sign != '=') {
        throw usage_error(fmt::format("\"{}\" does not say COLUMN = EXPRESSION", text),
                          "names with upper case or special characters need double quotes");
    }
    return assignment{tokens[0].word, text.substr(tokens[2].begin, tokens.back().end - tokens[2].begin)};
}

bool is_bare_literal(const std::string& expression) {
    int values = 0;
    for (const auto& each : ddl::sql_text::scan(expression)) {
        const bool value = each.literal || (!each.quoted && each.word == "null");
        if (!value && each.sign != '(' && each.sign != ')') {
            return false;
        }
        values += value ? 1 : 0;
    }
    return values == 1;
}

}  // namespace pgeist::plan
