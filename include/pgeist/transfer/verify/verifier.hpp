#pragma once

#include "pgeist/transfer/replay/replayer.hpp"
#include "pgeist/transfer/shared/workspace.hpp"
#include "pgeist/walk/key_range.hpp"

namespace pgeist::verify {

/// What comparing one range found.
struct chunk_result {
    std::int64_t rows = 0;
    std::int64_t differing = 0;  ///< explained by the log or not
    std::vector<std::string>
        unexplained;  ///< keys that differ although no change of them is waiting; queued for repair
};

/// Compares both sides byte for byte, chunk by chunk, while writes and replay go on: each chunk in one snapshot,
/// keys with a visible log row left out and looked at again later. Locks: ACCESS SHARE on both tables, one chunk at a
/// time.
class verifier {
public:
    /// `percent` of the ranges are compared: 100 is all of them.
    explicit verifier(transfer::workspace& work, double percent = 100);

    /// Looks up every row of the read side's file in the write side, and by the index of its key in the read side:
    /// before all else, which finds rows by that index only. See file_walk, also for what it throws. Replay may run
    /// beside.
    [[nodiscard]] awaitable<void> look_up_all();

    /// Compares one range in a transaction of `session`, stores counts and checksums with the job.
    [[nodiscard]] awaitable<chunk_result> compare_chunk(pg::connection& session, walk::key_range range);

    /// Compares all ranges not yet compared (or a sample of them), with `settings.workers` workers. Replay may run
    /// beside.
    [[nodiscard]] awaitable<void> compare_all();

    /// Looks at the keys left out, or repaired, again, after passes of `changes`, which nobody else may run now. Keys
    /// that are written so often that they are always pending are left to the drain under the last lock, which
    /// replays them.
    /// @throws error (verification_failed) naming keys that still differ after their repair
    [[nodiscard]] awaitable<void> settle(replay::replayer& changes);

    [[nodiscard]] const report::verification& found() const noexcept { return found_; }

private:
    class comparison;
    struct recheck_result {
        std::vector<std::string> failed;   ///< keys that differ still, after their repair
        std::vector<std::string> columns;  ///< in which they do
        std::int64_t unsettled = 0;        ///< keys to be looked at once more
    };
    /// Counts and tells what comparing a range found. @throws transfer::source_truncated
    [[nodiscard]] awaitable<void> note(pg::connection& session, const chunk_result& compared);
    [[nodiscard]] awaitable<chunk_result> compare_in_snapshot(pg::connection& session, const walk::key_range& range);
    [[nodiscard]] awaitable<bool> settle_once();
    [[nodiscard]] awaitable<recheck_result> recheck_in_snapshot(pg::connection& session);

    transfer::workspace* work_;
    double percent_;
    report::verification found_;
};

}  // namespace pgeist::verify
