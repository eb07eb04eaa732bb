#include "pgeist/core/clipped.hpp"

namespace pgeist {

std::string_view clipped(std::string_view text, std::size_t most) {
    if (text.size() <= most) {
        return text;
    }
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0U) == 0x80) {
        --most;
    }
    return text.substr(0, most);
}

}  // namespace pgeist
