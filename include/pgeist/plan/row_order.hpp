#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/core/identifier.hpp"

namespace pgeist::plan {

/// One word of `--order-by` and what is said of it.
struct order_word {
    qualified_name name;  ///< of a column; the only word, with nothing said of it, may be an index's
    bool descending = false;
    std::optional<bool> nulls_first;  ///< unset: as ORDER BY has it
    bool bare = true;                 ///< nothing is said of it
};

/// Reads `COLUMN [ASC|DESC] [NULLS FIRST|LAST] …`, with or without commas between, or the name of an index.
/// @throws usage_error for a text that is neither
[[nodiscard]] std::vector<order_word> parse_row_order(std::string_view text);

}  // namespace pgeist::plan
