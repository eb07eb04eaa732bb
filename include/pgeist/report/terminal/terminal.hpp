#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace pgeist::report {

/// What the place we write to can show.
struct terminal {
    bool is_tty = false;  ///< lines can be rewritten in place
    bool color = false;
    bool utf8 = true;
    std::function<int()> width = [] { return 80; };  ///< asked each time: windows change their size
    std::function<int()> height = [] { return 24; };
};

enum class paint { plain, bold, dim, green, yellow, red };

/// `text` in colour, if the terminal has any.
[[nodiscard]] std::string painted(const terminal& screen, paint how, std::string_view text);

/// Width of the terminal behind `fd`; 80 when it does not say.
[[nodiscard]] int terminal_width(int fd) noexcept;
/// Its height in lines; 24 when it does not say.
[[nodiscard]] int terminal_height(int fd) noexcept;

}  // namespace pgeist::report
