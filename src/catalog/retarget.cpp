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

}  // namespace

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
