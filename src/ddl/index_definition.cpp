#include "pgeist/ddl/index_definition.hpp"

#include <algorithm>

#include "pgeist/ddl/lexer.hpp"

namespace pgeist::ddl {

std::optional<std::string> index_definition(const std::string& create_index) {
    // CREATE [UNIQUE] INDEX [CONCURRENTLY] [[IF NOT EXISTS] name] ON [ONLY] table definition
    const auto tokens = tokens_of(create_index);
    auto behind = std::find_if(tokens.begin(), tokens.end(), [](const token& each) { return each.is("on"); });
    while (behind != tokens.end() && !behind->is("using") && !behind->is_sign('(')) {
        ++behind;
    }
    std::optional<std::string> definition;
    if (behind != tokens.end()) {
        definition = (behind->is("using") ? "" : "USING btree ") + create_index.substr(behind->begin);
    }
    return definition;
}

std::optional<std::string> comparable_index_definition(const std::string& create_index) {
    std::optional<std::string> definition = index_definition(create_index);
    if (!definition) {
        return definition;
    }
    std::string text;
    for (const token& each : tokens_of(*definition)) {
        if (each.is("asc") || each.is_sign(';')) {
            continue;
        }
        const std::string raw = definition->substr(each.begin, each.end - each.begin);
        const bool is_word = each.kind == token_kind::word;
        text += (text.empty() ? "" : " ") + (is_word                           ? each.text
                                             : each.kind == token_kind::quoted ? sql_name(each.text)
                                                                               : raw);
    }
    return text;
}

}  // namespace pgeist::ddl
