#pragma once

#include <chrono>
#include <cstdint>

#include "pgeist/job/workspace.hpp"
#include "pgeist/replay/replay_sql.hpp"

namespace pgeist::replay {

/// Brings the shadow up to what the selected log rows tell, inside the transaction that is open on `session`, and
/// removes those rows from the log. @returns log rows taken. @throws sql_error
///
/// Correct in a REPEATABLE READ transaction, where all three statements see one snapshot, and under a lock that keeps
/// writers out. Deletes all keys before it inserts any, so that unique values may change places between rows.
[[nodiscard]] awaitable<std::int64_t> apply(pg::connection& session, const plan::blueprint& plan, selection rows);

/// Replays the change log of a job whose copy is complete. One at a time per job: the caller must not run two of its
/// operations at once. Locks: ACCESS SHARE on the source, one batch at a time.
class replayer {
public:
    explicit replayer(job::workspace& work);

    /// One REPEATABLE READ batch that takes the whole visible log: when it has committed, the shadow equals the source
    /// as of one moment, so that every constraint that holds in the source holds in the shadow.
    /// @throws error naming the constraint when even that violates it: live data does not fit the target definition
    [[nodiscard]] awaitable<void> reach_consistent_point();

    /// Replays until what is left takes less than `budget` at the measured speed, going through the log in small
    /// batches, split by key hash among more workers while the log does not shrink. @throws error when it does not
    /// converge
    [[nodiscard]] awaitable<void> catch_up(std::chrono::milliseconds budget);

    /// One pass over the log as it is now, in batches. @returns log rows taken
    [[nodiscard]] awaitable<std::int64_t> pass();

    /// Rows in the log now.
    [[nodiscard]] awaitable<std::int64_t> pending();

    /// How many log rows can be applied in `time` at the speed measured so far.
    [[nodiscard]] std::int64_t rows_within(std::chrono::milliseconds time) const noexcept;

private:
    [[nodiscard]] awaitable<void> part_of_pass(int number, int count, std::int64_t blocks, std::int64_t& taken);
    [[nodiscard]] awaitable<std::int64_t> batch(pg::connection& session, selection rows);
    [[nodiscard]] awaitable<void> vacuum_log(std::int64_t left);
    void measured(std::int64_t rows, std::chrono::nanoseconds took) noexcept;

    job::workspace* work_;
    int workers_ = 1;
    double rows_per_second_ = 5'000;  ///< cautious until measured
};

/// Settings of a session that replays: joins by index, whatever the planner thinks of tables without statistics.
[[nodiscard]] awaitable<void> prepare_replayer(pg::connection& session, const run::settings& settings);

}  // namespace pgeist::replay
