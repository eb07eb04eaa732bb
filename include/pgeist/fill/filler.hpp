#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/fill/workspace.hpp"

namespace pgeist::fill {

/// What became of the rows.
struct totals {
    std::int64_t chunks = 0;
    std::int64_t looked_at = 0;  ///< in the second look
    std::int64_t written = 0;    ///< in all passes, also by earlier processes
    std::int64_t hot = 0;        ///< of them by updates that left all indexes alone
    std::int64_t second = 0;     ///< of them in the second pass
    std::int64_t after = 0;      ///< written by others since, and other than they are to be
};

/// Brings the rows of a table to the values that they are to have, while others write. Every chunk is a transaction of
/// its own with its checkpoint: whoever calls again goes on where an earlier process has stopped, and rows that are
/// right are not written.
class filler {
public:
    /// @param name tells the checkpoints of several fills of one job apart; may be empty. `work` outlives this.
    filler(workspace& work, const std::string& name) : work_(&work), first_("fill" + name), second_("settle" + name) {}

    /// The first pass, up to the last key there was when it was planned. Rows that somebody has locked are left out.
    /// Locks: ROW EXCLUSIVE, and the rows of a chunk, for a chunk's time.
    /// @throws error (failed) that names the row whose new value fails; error (lock_not_obtained) when the table stays
    /// locked for --swap-max-wait
    [[nodiscard]] awaitable<void> fill();

    /// Looks at every row once more: what differs is set; rows that are locked are tried again for --swap-max-wait.
    /// Then what is different all the same is told from what others have written since.
    /// @throws as fill(); error (lock_not_obtained) naming rows that stay locked; error (verification_failed) naming
    /// rows that have another value though nobody has written them since
    [[nodiscard]] awaitable<totals> settle();

    /// As settle(), again and again until no row differs: for a table whose writers leave none behind that does.
    /// @returns how many were written
    /// @throws as settle(); error (verification_failed) when rows that differ keep coming
    [[nodiscard]] awaitable<std::int64_t> settle_all();

    /// How many rows the finished chunks of the first or of the second pass hold.
    [[nodiscard]] awaitable<std::int64_t> done_before(bool second);

private:
    [[nodiscard]] awaitable<void> last_look(totals& so_far);
    [[nodiscard]] awaitable<totals> count();

    workspace* work_;
    std::string first_;
    std::string second_;
};

/// Drops what the planner has made for the expressions, and stores the phase that follows, in one transaction: whoever
/// has to settle once more needs it. @throws error (already_running) as job::require_tenure()
[[nodiscard]] awaitable<void> reach_behind(pg::connection& session, job::tenure mine, const spec& of,
                                           std::string next_phase);

}  // namespace pgeist::fill
