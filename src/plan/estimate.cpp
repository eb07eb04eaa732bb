#include "pgeist/plan/estimate.hpp"

#include <algorithm>

namespace pgeist::plan {

namespace {

// Bytes per millisecond, from runs of the default settings on a 2-core machine, rounded down: real servers are under
// load.
constexpr std::int64_t copy_rate = 100'000;
constexpr std::int64_t index_rate = 50'000;
constexpr std::int64_t verify_rate = 150'000;
constexpr std::chrono::milliseconds fixed{1'000};  // locks, small transactions, the first chunks

}  // namespace

phase_estimate estimate_of_phases(const blueprint& plan) {
    using ms = std::chrono::milliseconds;
    const std::int64_t key_bytes = std::min(plan.key_index.source_bytes, plan.index_bytes);
    phase_estimate rough;
    rough.copy = ms(plan.table_bytes / copy_rate);
    rough.key = ms(key_bytes / index_rate);
    rough.build = ms((plan.index_bytes - key_bytes) / index_rate);
    rough.verify = ms(2 * plan.table_bytes / verify_rate);  // both tables are read
    return rough;
}

estimate estimate_of(const blueprint& plan) {
    estimate rough;
    const phase_estimate each = estimate_of_phases(plan);
    rough.time = fixed + each.copy + each.key + each.build + each.verify;
    rough.space_bytes = plan.table_bytes + plan.index_bytes;
    return rough;
}

}  // namespace pgeist::plan
