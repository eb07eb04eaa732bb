#include <cctype>

#include "pgeist/catalog/definition.hpp"

namespace pgeist::catalog {

namespace {

/// The place after a quoted identifier or literal that begins at `at`.
std::size_t skip_quoted(const std::string& text, std::size_t at) {
    const char quote = text[at];
    const auto end = text.find(quote, at + 1);  // a doubled quote reads as two quoted parts in a row
    return end == std::string::npos ? text.size() : end + 1;
}

bool is_name_part(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '"' || c == '.' ||
           static_cast<unsigned char>(c) >= 0x80;
}

/// `from` stands at `at` as a whole name: a column's name may follow it, nothing may precede it.
bool is_relation(const std::string& text, std::size_t at, const std::string& from) {
    const std::size_t end = at + from.size();
    return text.compare(at, from.size(), from) == 0 && (at == 0 || !is_name_part(text[at - 1])) &&
           (end == text.size() || text[end] == '.' || !is_name_part(text[end]));
}

}  // namespace

std::string replace_relation(const std::string& text, const std::string& from, const std::string& to) {
    std::string replaced;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at + 1;
        if (is_relation(text, at, from)) {
            replaced += to;
            at += from.size();
            continue;
        }
        if (text[at] == '"' || text[at] == '\'') {
            end = skip_quoted(text, at);
        }
        replaced += text.substr(at, end - at);
        at = end;
    }
    return replaced;
}

std::string retarget(const std::string& definition, const std::string& from, const std::string& to,
                     const std::string& preposition) {
    const std::string plain = " " + preposition + " " + from;
    const std::string only = " " + preposition + " ONLY " + from;
    for (std::size_t at = 0; at < definition.size();) {
        for (const auto& wanted : {plain, only}) {
            const std::size_t end = at + wanted.size();
            // The name must end there: `public.orders` is not the beginning of `public.orders_old`.
            if (definition.compare(at, wanted.size(), wanted) == 0 &&
                (end == definition.size() || definition[end] == ' ' || definition[end] == '\n')) {
                return definition.substr(0, end - from.size()) + to + definition.substr(end);
            }
        }
        at = definition[at] == '"' || definition[at] == '\'' ? skip_quoted(definition, at) : at + 1;
    }
    return definition;
}

}  // namespace pgeist::catalog
