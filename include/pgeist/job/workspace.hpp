#pragma once

#include <chrono>
#include <cstdint>

#include "pgeist/core/error.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/run/settings.hpp"

namespace pgeist::job {

/// How an attempt at the swap stands.
enum class swap_state { none, under_way, committed };

/// Where the workers of a run wait when the server, or the user, wants them to.
class brake {
public:
    virtual ~brake() = default;
    /// How many workers the copy and the verification should have now, of which the user chose `chosen`.
    [[nodiscard]] virtual int workers(int chosen) const { return chosen; }
    /// Whether others are at work on the server, so that what the user has not chosen should take one processor of it.
    [[nodiscard]] virtual bool in_company() const { return false; }
    /// Whether work that cannot be slowed, such as an index build, must not begin now.
    [[nodiscard]] virtual bool holds_back() const { return false; }
    /// Whether the user wants no attempt at the swap now, or something else first.
    [[nodiscard]] virtual bool holds_swap() { return false; }
    /// Told of each attempt: while one is under way, nothing that the user asks for is acknowledged, since it may come
    /// too late.
    virtual void swap_is(swap_state) {}
    /// To be awaited before a chunk of the copy or of verification; tells what the last one was.
    [[nodiscard]] virtual awaitable<void> before_chunk(std::int64_t rows, std::chrono::nanoseconds took) = 0;
    /// To be awaited before a batch of replay: slows it, but never stops it for long, since a growing log is the
    /// greater danger.
    [[nodiscard]] virtual awaitable<void> before_batch(std::int64_t rows, std::chrono::nanoseconds took) = 0;
};

/// What every phase works with. References to objects of the runner, which outlives all phases.
struct workspace {
    pg::pool& pool;
    std::int64_t job;
    const plan::blueprint& plan;
    const run::settings& settings;  ///< changed by `pgeist set` while the run is at work
    report::observer& observer;
    report::progress& progress;  ///< kept up to date by the phases, shown and stored by the runner
    job::brake& brake;
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

/// The source was truncated: what has been copied is void, the copy starts again. Handled by the runner.
class source_truncated : public error {
public:
    source_truncated() : error(exit_code::failed, "the source table was truncated") {}
};

/// Someone rewrote the source's rows without a trigger noticing: all rows have to be compared (ALTER … USING); or,
/// where they are copied in the order of the file, the copy has to start again (CLUSTER, VACUUM FULL, REPACK too).
/// Handled by the runner.
class source_rewritten : public error {
public:
    source_rewritten() : error(exit_code::failed, "the source table was rewritten by someone else") {}
};

}  // namespace pgeist::job
