#include "cli/console.hpp"

#include <cstring>

#include <langinfo.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace pgeist::cli {

report::terminal probe_terminal(int fd, const environment& lookup) {
    report::terminal screen;
    const auto kind = lookup("TERM");
    const auto no_color = lookup("NO_COLOR");  // https://no-color.org: any value that is not empty
    screen.is_tty = ::isatty(fd) == 1 && kind && !kind->empty() && *kind != "dumb";
    screen.color = screen.is_tty && (!no_color || no_color->empty());
    // What is not a terminal gets UTF-8: it is for a file or a program, and the locale of cron is not the reader's.
    screen.utf8 = !screen.is_tty || std::strcmp(::nl_langinfo(CODESET), "UTF-8") == 0;
    screen.width = [fd] { return report::terminal_width(fd); };
    screen.height = [fd] { return report::terminal_height(fd); };
    return screen;
}

bool leads_to_journal(int fd, const environment& lookup) {
    const auto stream = lookup("JOURNAL_STREAM");
    struct stat file {};
    return stream && ::fstat(fd, &file) == 0 && *stream == fmt::format("{}:{}", file.st_dev, file.st_ino);
}

}  // namespace pgeist::cli
