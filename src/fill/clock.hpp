#pragma once

#include <string>

namespace pgeist::fill {

/// `sql`, as the server prints it, with now(), CURRENT_DATE and the like replaced by what they are at `moment` (a
/// timestamptz as text): so all rows get the value that one UPDATE would have given them.
[[nodiscard]] std::string with_time_fixed(const std::string& sql, const std::string& moment);

}  // namespace pgeist::fill
