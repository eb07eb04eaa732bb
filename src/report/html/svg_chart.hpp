#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pgeist/report/run_record.hpp"

namespace pgeist::report {

/// Text that may stand anywhere in HTML.
[[nodiscard]] std::string html_escaped(std::string_view text);

/// A curve over the time of a run.
struct chart {
    std::string title;
    std::vector<std::pair<double, double>> points;  ///< seconds since the begin, value
    std::string (*shown)(double value) = nullptr;   ///< a value for people, with its unit
};

/// The chart as inline SVG, with the phases as bands, waits shaded, and failed lock attempts marked.
[[nodiscard]] std::string svg_chart(const chart& what, const run_record& run);

/// The phases as bars on one line of time.
[[nodiscard]] std::string svg_timeline(const run_record& run);

}  // namespace pgeist::report
