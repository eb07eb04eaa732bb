#pragma once

#include <chrono>
#include <cstdint>

#include "pgeist/core/error.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/throttle/limiter.hpp"
#include "pgeist/transfer/spec.hpp"

namespace pgeist::transfer {

/// What every part of a transfer works with. References to objects of its user, which outlives all parts.
struct workspace {
    pg::pool& pool;
    std::int64_t job;
    const spec& transfer;
    const run::settings& settings;  ///< changed by `pgeist set` while the run is at work
    report::observer& observer;
    report::progress& progress;  ///< kept up to date by the parts, shown and stored by the user
    throttle::limiter& limiter;
    /// Which process in turn works on the job; see job::require_tenure().
    std::int64_t incarnation = 1;
    /// Backend that holds the job's advisory lock; 0: none does (tests of single parts).
    int hold_pid = 0;
    /// The server as the run has seen it last; null: not known (tests of single parts).
    const job::identity* known = nullptr;

    [[nodiscard]] job::tenure tenure() const noexcept { return {job, incarnation}; }
};

/// Notes in `into` what the last chunk was.
void note_chunk(report::progress& into, std::int64_t rows, std::chrono::nanoseconds took);

/// The read side was truncated: what has been copied is void, the copy has to start again.
class source_truncated : public error {
public:
    source_truncated() : error(exit_code::failed, "the source table was truncated") {}
};

/// Someone rewrote the read side's rows without a trigger noticing: all rows have to be compared (ALTER … USING); or,
/// where they are copied in the order of the file, the copy has to start again (CLUSTER, VACUUM FULL, REPACK too).
class source_rewritten : public error {
public:
    source_rewritten() : error(exit_code::failed, "the source table was rewritten by someone else") {}
};

}  // namespace pgeist::transfer
