#pragma once

#include <cstdint>
#include <string>

namespace pgeist::report {

/// What a phase counts as `rows_done`.
enum class unit { steps, rows, indexes };

/// A phase of a job, as far as it is told.
struct phase {
    std::string name;  ///< as users see it
    std::string lock;  ///< what it locks of the user's tables, for people
    unit counts = unit::steps;
    bool in_chunks = false;  ///< by workers, in chunks of rows

    /// Its rate, and the time left by that rate, mean something.
    [[nodiscard]] bool counts_rows() const noexcept { return counts == unit::rows; }
};

/// `1,234 rows`: what a phase has counted.
[[nodiscard]] std::string counted(std::int64_t count, const phase& in);

/// `1 of 4 indexes`.
[[nodiscard]] std::string counted(std::int64_t count, std::int64_t total, const phase& in);

}  // namespace pgeist::report
