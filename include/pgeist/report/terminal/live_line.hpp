#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "pgeist/report/observer.hpp"

namespace pgeist::report {

/// What one line about a phase at work can tell.
struct live_view {
    phase at;
    progress now;
    std::optional<double> rows_per_second;
    std::optional<double> eta_seconds;
    milliseconds elapsed{0};
    std::optional<std::string> waits_for;  ///< a lock and who holds it, or why the run is throttled
};

/// The line for a terminal, at most `columns` wide, no colours: what matters most stays longest when space is short.
[[nodiscard]] std::string live_line(const live_view& view, int columns, bool utf8);

/// The line for a pipe or a log: everything, in words.
[[nodiscard]] std::string plain_line(const live_view& view);

}  // namespace pgeist::report
