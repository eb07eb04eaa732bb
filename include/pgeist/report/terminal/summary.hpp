#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/report/observer.hpp"
#include "pgeist/report/phase_times.hpp"

namespace pgeist::report {

/// What a run did, gathered while it worked.
struct run_facts {
    std::optional<std::int64_t> job;
    std::string table;
    std::string strategy;
    std::int64_t rows_copied = 0;
    phase_times phases;
    std::optional<verification> verified;
    std::string verified_before;  ///< what an earlier run of the job found; empty: none has compared
    std::optional<swap_outcome> swapped;
    milliseconds elapsed{0};
};

/// The closing lines of a successful run: rows, time per phase, verification, attempts, lock, old table.
[[nodiscard]] std::string summary(const run_facts& facts);

}  // namespace pgeist::report
