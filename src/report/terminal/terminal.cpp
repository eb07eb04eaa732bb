#include "pgeist/report/terminal/terminal.hpp"

#include <sys/ioctl.h>

namespace pgeist::report {

std::string painted(const terminal& screen, paint how, std::string_view text) {
    if (!screen.color || how == paint::plain || text.empty()) {
        return std::string(text);
    }
    std::string_view code = "1";
    switch (how) {
        case paint::plain:
        case paint::bold:
            break;
        case paint::dim:
            code = "2";
            break;
        case paint::green:
            code = "32";
            break;
        case paint::yellow:
            code = "33";
            break;
        case paint::red:
            code = "31";
            break;
    }
    return "\x1b[" + std::string(code) + "m" + std::string(text) + "\x1b[0m";
}

int terminal_width(int fd) noexcept {
    constexpr int usual = 80;
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return usual;
    }
    return size.ws_col;
}

int terminal_height(int fd) noexcept {
    constexpr int usual = 24;
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0) {
        return usual;
    }
    return size.ws_row;
}

}  // namespace pgeist::report
