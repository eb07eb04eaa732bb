#pragma once

#include <string>

namespace pgeist::report {

/// A progress bar of exactly `columns` columns: block characters with eighths in UTF-8, `[####----]` in ASCII.
[[nodiscard]] std::string render_bar(double percent, int columns, bool utf8);

}  // namespace pgeist::report
