#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/build/workspace.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/swap/gate.hpp"
#include "pgeist/swap/one_moment.hpp"
#include "pgeist/swap/standby_snapshots.hpp"
#include "pgeist/transfer/replay/replayer.hpp"

namespace pgeist::swap {

/// Puts the shadow in the source's place, in one transaction under ACCESS EXCLUSIVE; or the shadows of several tables
/// in theirs.
///
/// Each attempt: replay until the backlog fits the lock budget; wait until no snapshot is older than the last batch;
/// see that the log's file is short; ask for the locks, NOWAIT first, then under a short lock_timeout; under the lock
/// replay the rest, or give the lock back if that takes long; see that nobody has changed the table's definition, move
/// both tables between their schemas, re-attach everything, commit.
///
/// Of several tables none is exchanged without the others. What could show one without the other, and why it does not:
/// - *A transaction that wrote A and B*: A's row replayed before the lock, B's under it. Who reads with a snapshot of
///   in between and touches the tables after the swap would see half of it. So the last pass before the lock is one
///   REPEATABLE READ transaction over all logs (reach_one_moment()), and the snapshots of before it are waited for:
///   what is left is, for all of them, what came after the same instant.
/// - *A session that holds the child and wants the parent*, while pgeist holds the parent: the lock's timeout is
/// shorter
///   than deadlock_timeout, so that it is pgeist that gives way. The tables are asked for in one order within an
///   attempt, those that others held most in the first place, so that they are waited for with nothing held.
/// - *TRUNCATE a, b CASCADE*, a rewriting, a definition that others change: looked for in all of them under the lock.
/// - *The job's rows*: one statement writes the transaction's id to all of them, or nothing is swapped.
class swapper {
public:
    /// How the transaction of the swap ends, once all is done in it: as it should, or, in a rehearsal, taken back.
    enum class ending { commit, rollback };

    swapper(build::workspace& work, replay::replayer& changes, gate& user, ending how = ending::commit);
    /// The first one's settings and observer count for all.
    swapper(std::vector<exchanged> tables, gate& user, ending how = ending::commit);

    /// @returns nothing when the user wants no attempt now, or something else first: nothing is swapped, no lock held.
    /// @throws error: lock_not_obtained (nothing swapped, resumable), connection_lost (rolled back, or the job's lock
    /// was lost), outcome_unknown, or failed when the source's definition has been changed by someone else.
    /// @throws transfer::source_truncated, transfer::source_rewritten
    [[nodiscard]] awaitable<std::optional<report::swap_outcome>> swap();

private:
    enum class attempt_result {
        swapped,
        blocked,
        failed,   ///< once the lock was granted, of something that may pass
        backlog,  ///< more changes waited under the lock than can be replayed in the time for it
        held,     ///< the user asked for a pause, or to cancel
    };

    [[nodiscard]] awaitable<bool> wait_for_old_snapshots(pg::connection& observer_session);
    [[nodiscard]] awaitable<bool> shorten_log(const exchanged& of, pg::connection& session,
                                              pg::connection& observer_session, lock::attempt how);
    [[nodiscard]] awaitable<void> report_obstacles(lock::target wanted, pg::connection& session,
                                                   pg::connection& observer_session, lock::attempt how);
    [[nodiscard]] awaitable<lock::lock_result> try_locks(pg::connection& session, lock::attempt how);
    [[nodiscard]] awaitable<attempt_result> attempt(pg::connection& session, lock::attempt how, bool last);
    [[nodiscard]] awaitable<void> choose_order(pg::connection& observer_session);
    [[nodiscard]] awaitable<void> warm_up(pg::connection& session);
    [[nodiscard]] awaitable<void> ask_ahead(pg::connection& session);
    [[nodiscard]] awaitable<void> catch_up();
    [[nodiscard]] awaitable<void> catch_up_each();
    /// Whether so many changes, of each table, may wait for a drain of `time` of all of them.
    [[nodiscard]] bool affordable(const std::vector<std::int64_t>& waiting, std::chrono::milliseconds time) const;
    /// Asks first for the tables that others hold most.
    [[nodiscard]] awaitable<void> note_contention(pg::connection& observer_session, int own_pid);
    /// Sequences that the tables own, and statements that lock them.
    [[nodiscard]] awaitable<void> find_sequences(pg::connection& session);
    /// Who is in the way without a lock: readers by temporary views, sessions that change rights.
    [[nodiscard]] awaitable<void> find_others(pg::connection& session);
    /// Whether --swap-max-wait, as it is now, is over.
    [[nodiscard]] bool waited_long_enough() const;
    /// @throws error (lock_not_obtained) when it was one too many
    void count_failure(int number, bool last);
    [[noreturn]] void throw_given_up(int attempts) const;
    void report_backlog(int number);
    void report_blocked(int number, const std::vector<report::blocker>& blockers);

    // under_lock.cpp
    /// What waits in each log. @throws transfer::source_truncated
    [[nodiscard]] awaitable<std::vector<replay::log_look>> pending(pg::connection& session);
    /// @throws pg::sql_error, of what may pass, when the time for all that is done under the lock is over
    void next_step(const char* name);
    /// @returns false when more of them wait than `time` is enough for: nothing was done
    [[nodiscard]] awaitable<bool> drain(pg::connection& session, std::chrono::milliseconds time);
    [[nodiscard]] awaitable<void> check_unchanged(pg::connection& session);
    [[nodiscard]] awaitable<std::vector<report::blocker>> changing_rights(pg::connection& session);
    [[nodiscard]] std::vector<std::int64_t> source_oids() const;
    [[nodiscard]] std::vector<const plan::blueprint*> blueprints() const;
    [[nodiscard]] awaitable<std::vector<std::string>> rights(pg::connection& session);
    [[nodiscard]] awaitable<void> compare_with_plan(pg::connection& session);
    [[nodiscard]] awaitable<std::optional<std::string>> under_lock(pg::connection& session, bool last, bool& drained);
    /// @returns the transaction's id; nothing when the user has asked that nothing be swapped now
    [[nodiscard]] awaitable<std::optional<std::string>> note_swap(pg::connection& session);
    [[nodiscard]] awaitable<void> commit(pg::connection& session, std::string xid);

    std::vector<exchanged> tables_;
    build::workspace* work_;  ///< of the first of them
    gate* gate_;
    ending ending_;
    lock::target target_;
    std::map<std::string, int>
        contention_;  ///< sessions that held each table when an attempt failed, of several tables
    lock::blocker_removal removal_;
    std::vector<report::blocker> blockers_;  ///< who was in the way of the last attempt
    std::vector<report::blocker> others_;    ///< of them, those that hold no lock: temporary views, changed rights
    std::optional<standby_snapshots> standbys_;
    deadline::clock::time_point started_;
    std::chrono::milliseconds drain_;        ///< how long the next drain under the lock may take
    std::map<std::int64_t, bool> vacuumed_;  ///< each job's log as it is now
    int drawn_ahead_ = 0;                    ///< attempts that met somebody who holds a sequence and not the table
    bool rights_changed_ = false;            ///< while the last attempt held the lock
    bool sequences_first_failed_ = false;    ///< in the last attempt, which had the sequences and not the table
    double lock_held_ms_ = 0;                ///< in the last attempt that got it
    std::string step_;                       ///< what is being done under the lock
    deadline::clock::time_point until_;      ///< when it is given back, whatever is done
    std::string failed_;                     ///< what failed under it in the last attempt
    int failures_ = 0;                       ///< attempts that failed so
    std::int64_t too_much_ = 0;              ///< changes that waited under the lock, when they were too many
    bool beyond_all_ = false;                ///< then: also for all of --lock-timeout
};

/// After the connection was lost at COMMIT of the swap, transaction `xid`: asks the server which side won, once the
/// transaction has ended. Only the server that the job was on is believed (see job::difference).
/// @returns whether the swap is committed. @throws error (outcome_unknown) when nobody tells within `until`
[[nodiscard]] awaitable<bool> find_outcome(build::workspace& work, std::string xid, deadline until);

}  // namespace pgeist::swap
