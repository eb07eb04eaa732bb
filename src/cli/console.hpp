#pragma once

#include "cli/given.hpp"
#include "cli/make_observer.hpp"
#include "pgeist/report/sink.hpp"
#include "pgeist/report/terminal/terminal.hpp"

namespace pgeist::cli {

/// Standard output and standard error of the process.
struct console {
    report::fd_sink out;
    report::fd_sink err;
    report::terminal screen;  ///< standard output
};

/// What standard output can show, by isatty, TERM, NO_COLOR and the locale (LC_CTYPE must have been set).
[[nodiscard]] report::terminal probe_terminal(int fd, const environment& lookup);

/// Whether a descriptor leads to systemd's journal, as JOURNAL_STREAM says of the descriptors of a service.
[[nodiscard]] bool leads_to_journal(int fd, const environment& lookup);

}  // namespace pgeist::cli
