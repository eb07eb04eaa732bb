#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/transfer/replay/backlog.hpp"
#include "pgeist/transfer/replay/change_log.hpp"
#include "pgeist/transfer/replay/replay_sql.hpp"
#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::replay {

/// Brings the write side up to what the selected log rows tell, inside the transaction that is open on `session`, and
/// removes those rows from the log. @returns log rows taken. @throws sql_error
///
/// Correct in a REPEATABLE READ transaction, where all its statements see one snapshot, and under a lock that keeps
/// writers out: then `rows` must be the whole log where rows are set apart. Deletes all keys before it inserts any, so
/// that unique values may change places between rows.
///
/// Where the transfer sets rows apart (unfit.hpp), no row ends it. In mode keep each key is first looked up in the
/// write side, and what that had goes into the row that is inserted. What can go wrong with that, and why it does not
/// (each is stepped through in tests/integration/way_back_test.cpp):
/// - *DELETE k, INSERT k* leaves one key in the log. The new row must not get what the dead one had: the INSERT is
/// marked
///   as a birth, and under a key with a birth there is nothing to keep. In two batches, in whichever order, the one
///   with the birth makes the row anew, and until it has come its log row is there.
/// - *A key that changes*, k1 to k2, and to k3: each step is logged as a link. While one is visible, the whole visible
///   log is one batch, so that nothing of k1 has been deleted when k3 asks for it. A row has come under its key by the
///   last birth or link of that key (keep_history.sql); what left it before does not matter.
/// - *A value that does not fit* is found by halves, in savepoints, and its row set apart with what the write side had.
/// - *A value that another row has*, under a unique or exclusion constraint that the read side has not: all rows in
/// each
///   other's way are set apart, also one that nobody has written. They belong to each batch until none is left.
[[nodiscard]] awaitable<std::int64_t> apply(pg::connection& session, const transfer::spec& transfer, selection rows);

/// Replays the change log of a job whose copy is complete. One at a time per job: the caller must not run two of its
/// operations at once. Locks: ACCESS SHARE on the read side, one batch at a time.
///
/// When the backlog does not shrink, several sessions replay at once, each one share of the keys by their hash. What
/// that can lead to, and why the invariant holds (each is stepped through in tests/integration/shared_replay_test.cpp):
/// - *One key in two batches at once* cannot be: equal keys have equal hashes (walk::key::hashable), the number of
///   shares changes only between segments, and a segment ends when all its sessions have ended.
/// - *A row whose key changes*, 1 to 2, is logged under both keys, which may be in different shares. Between their
///   commits the write side has it twice or not at all; the key that is not yet right still has its row in the log, and
///   that is all that the invariant asks.
/// - *A unique value that moves* from a key of share A to a key of share B: B may insert it before A has removed it. If
///   A's transaction is open, B waits for it and goes on. If A has not begun, B meets a unique violation: the segment
///   is given up, all its sessions roll back, and one session takes the whole log in one transaction.
/// - *Two that move crosswise* make A and B wait for each other: the server ends one with a deadlock, which is tried
///   again, and after some tries given to the one session that takes the whole log.
/// - *A share that is far behind the others* has an older snapshot. Its keys are as of that snapshot, and later changes
///   of them are in the log that remains.
/// - *A key that cannot be divided*, because its parts have no seeded hash: the server says so to the first shares, and
///   one session does the work from then on.
/// - *A process that was superseded* is fenced off in each session: every batch begins with require_tenure().
class replayer {
public:
    /// Begins with so many sessions.
    explicit replayer(transfer::workspace& work, int sessions = 1);

    /// One REPEATABLE READ batch that takes the whole visible log: when it has committed, the write side equals the
    /// read side as of one moment, so that every constraint that holds in the read side holds in the write side.
    /// @throws error naming the constraint when even that violates it: live data does not fit the target definition
    [[nodiscard]] awaitable<void> reach_consistent_point();

    /// Whether there is nothing in the log, in the snapshot of one statement: by the invariant no key differs then, so
    /// the write side, once it is copied, equals the read side as of that moment. What is written later changes the
    /// read side alone.
    [[nodiscard]] awaitable<bool> at_consistent_point();

    /// Replays until what is left takes less than `budget` at the measured speed of one session. Warns when that does
    /// not come nearer. @throws error when it has not for --swap-max-wait
    [[nodiscard]] awaitable<void> catch_up(std::chrono::milliseconds budget);

    /// One pass over the log as it is now, in batches; afterwards report::progress::log_pending is what is left.
    /// @returns log rows taken
    [[nodiscard]] awaitable<std::int64_t> pass();
    /// The same, where more than takes `small` is already a backlog.
    [[nodiscard]] awaitable<std::int64_t> pass(std::chrono::milliseconds small);

    /// Rows in the log now.
    [[nodiscard]] awaitable<std::int64_t> pending();

    /// Has replayed rows removed from the log as far as nobody could still see them.
    [[nodiscard]] awaitable<void> vacuum();
    /// To be told after change_log(): what VACUUM left of the log before says nothing of the new one.
    void log_was_changed() noexcept;

    /// How many log rows can be applied in `time` at the speed measured so far.
    [[nodiscard]] std::int64_t rows_within(std::chrono::milliseconds time) const noexcept;

private:
    /// Blocks of the log from `first` to before `last`, which a number of sessions go through at once.
    struct segment {
        std::int64_t first = 0;
        std::int64_t last = 0;
        int sessions = 1;
        std::int64_t taken = 0;
    };

    [[nodiscard]] awaitable<bool> replay_segment(segment& part);
    [[nodiscard]] awaitable<void> share_out(segment& part);
    [[nodiscard]] awaitable<void> share_of_segment(segment& part, int number, pg::connection& session);
    [[nodiscard]] awaitable<std::vector<pg::pool::lease>> sessions_for(segment& part);
    [[nodiscard]] awaitable<std::int64_t> batch(pg::connection& session, selection rows);
    [[nodiscard]] awaitable<std::int64_t> whole_log();
    [[nodiscard]] awaitable<log_look> look();
    [[nodiscard]] awaitable<void> vacuum_log();
    void measured(std::int64_t rows, std::chrono::nanoseconds took) noexcept;
    void look_at_backlog(std::int64_t left, std::int64_t taken, std::chrono::milliseconds small);
    [[nodiscard]] int most_sessions() const noexcept;
    [[nodiscard]] std::string why_stuck() const;

    transfer::workspace* work_;
    backlog_watch backlog_;
    double rows_per_second_ = 5'000;       ///< of one session; cautious until measured
    bool can_be_shared_ = true;            ///< until the server says that it cannot hash the key
    std::int64_t taken_since_vacuum_ = 0;  ///< rows
    std::int64_t bytes_after_vacuum_ = 0;  ///< what the last VACUUM left of the log's file
};

/// Settings of a session that replays: joins by index, whatever the planner thinks of tables without statistics.
[[nodiscard]] awaitable<void> prepare_replayer(pg::connection& session, const run::settings& settings);

}  // namespace pgeist::replay
