#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgeist::report {

/// Whether a phase counts rows, so that its rate, and the time left by that rate, mean something.
[[nodiscard]] bool works_in_chunks(std::string_view phase) noexcept;
[[nodiscard]] bool counts_rows(std::string_view phase) noexcept;

/// `1,234 rows`: what a phase counts as `rows_done`. Indexes where indexes are built, steps where there are no rows.
[[nodiscard]] std::string counted(std::int64_t count, std::string_view phase);

/// `1 of 4 indexes`.
[[nodiscard]] std::string counted(std::int64_t count, std::int64_t total, std::string_view phase);

}  // namespace pgeist::report
