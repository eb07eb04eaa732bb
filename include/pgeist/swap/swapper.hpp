#pragma once

#include <optional>
#include <vector>

#include "pgeist/job/workspace.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/replay/replayer.hpp"

namespace pgeist::swap {

/// Puts the shadow in the source's place, in one transaction under ACCESS EXCLUSIVE.
///
/// Each attempt: replay until the backlog fits the lock budget; wait until no snapshot is older than the last batch;
/// ask for the locks, NOWAIT first, then under a short lock_timeout; under the lock replay the rest, or give the lock
/// back if that takes long; see that nobody has changed the table's definition, move both tables between their schemas,
/// re-attach everything, commit.
class swapper {
public:
    swapper(job::workspace& work, replay::replayer& changes);

    /// @returns nothing when the user wants no attempt now, or something else first: nothing is swapped, no lock held.
    /// @throws error: lock_not_obtained (nothing swapped, resumable), outcome_unknown, or failed when the source's
    /// definition has been changed by someone else. @throws job::source_truncated
    [[nodiscard]] awaitable<std::optional<report::swap_outcome>> swap();

private:
    enum class attempt_result {
        swapped,
        blocked,
        backlog,  ///< more changes waited under the lock than can be replayed in the time for it
        held,     ///< the user asked for a pause, or to cancel
    };

    [[nodiscard]] awaitable<bool> wait_for_old_snapshots(pg::connection& observer_session);
    [[nodiscard]] awaitable<void> report_obstacles(pg::connection& session, pg::connection& observer_session,
                                                   lock::attempt how, bool last);
    [[nodiscard]] awaitable<attempt_result> attempt(pg::connection& session, lock::attempt how, bool last);
    [[nodiscard]] awaitable<void> warm_up(pg::connection& session);
    [[nodiscard]] awaitable<void> ask_ahead(pg::connection& session);
    [[nodiscard]] awaitable<void> catch_up();
    /// How many changes may wait for a drain of `time`.
    [[nodiscard]] std::int64_t affordable(std::chrono::milliseconds time) const;
    /// Changes in the log. @throws job::source_truncated
    [[nodiscard]] awaitable<std::int64_t> pending(pg::connection& session);
    /// @returns false when more of them wait than `time` is enough for: nothing was done
    [[nodiscard]] awaitable<bool> drain(pg::connection& session, std::chrono::milliseconds time);
    [[nodiscard]] awaitable<void> check_unchanged(pg::connection& session);
    [[nodiscard]] awaitable<void> exchange(pg::connection& session);
    [[nodiscard]] awaitable<void> carry_cluster_mark(pg::connection& session);
    /// @returns the transaction's id; nothing when the user has asked that nothing be swapped now
    [[nodiscard]] awaitable<std::optional<std::string>> note_swap(pg::connection& session);
    [[nodiscard]] awaitable<void> commit(pg::connection& session, std::string xid);
    /// Whether --swap-max-wait, as it is now, is over.
    [[nodiscard]] bool waited_long_enough() const;
    void report_backlog(int number);
    void report_blocked(int number, const std::vector<report::blocker>& blockers);

    job::workspace* work_;
    replay::replayer* changes_;
    lock::target target_;
    std::vector<report::blocker> blockers_;  ///< who was in the way of the last attempt
    deadline::clock::time_point started_;
    std::chrono::milliseconds drain_;  ///< how long the next drain under the lock may take
    double lock_held_ms_ = 0;          ///< in the last attempt that got it
    std::int64_t too_much_ = 0;        ///< changes that waited under the lock, when they were too many
};

/// After the connection was lost at COMMIT of the swap, transaction `xid`: asks the server which side won, once the
/// transaction has ended. Only the server that the job was on is believed (see job::difference).
/// @returns whether the swap is committed. @throws error (outcome_unknown) when nobody tells within `until`
[[nodiscard]] awaitable<bool> find_outcome(job::workspace& work, std::string xid, deadline until);

}  // namespace pgeist::swap
