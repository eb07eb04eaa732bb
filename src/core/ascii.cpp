#include "pgeist/core/ascii.hpp"

#include <utility>

namespace pgeist {

std::string to_ascii(std::string_view text) {
    static constexpr std::pair<std::string_view, std::string_view> known[] = {
        {"→", "->"}, {"…", "..."}, {"–", "-"}, {"×", "x"}};
    const auto is_continuation = [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0U) == 0x80; };
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        if (static_cast<unsigned char>(text[at]) < 0x80) {
            out += text[at++];
            continue;
        }
        std::string_view replacement = "?";
        for (const auto& [symbol, ascii] : known) {
            if (text.substr(at).starts_with(symbol)) {
                replacement = ascii;
            }
        }
        out += replacement;
        do {
            ++at;
        } while (at < text.size() && is_continuation(text[at]));
    }
    return out;
}

}  // namespace pgeist
