#include "estimate.hpp"

namespace pgeist::plan {

namespace {

// Bytes per millisecond, from runs of the default settings on a 2-core machine, rounded down: real servers are under
// load.
constexpr std::int64_t copy_rate = 100'000;
constexpr std::int64_t index_rate = 50'000;
constexpr std::int64_t verify_rate = 150'000;
constexpr std::int64_t fixed_ms = 1'000;  // locks, small transactions, the first chunks

}  // namespace

estimate estimate_of(const blueprint& plan) {
    estimate rough;
    // Verification reads both tables.
    const std::int64_t ms =
        fixed_ms + plan.table_bytes / copy_rate + plan.index_bytes / index_rate + 2 * plan.table_bytes / verify_rate;
    rough.time = std::chrono::milliseconds(ms);
    rough.space_bytes = plan.table_bytes + plan.index_bytes;
    return rough;
}

}  // namespace pgeist::plan
