#pragma once

#include <cstdint>
#include <vector>

#include "pgeist/lock/table_lock.hpp"
#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::replay {

/// The change log at one moment, in the snapshot of one statement.
struct log_look {
    std::int64_t rows = 0;         ///< visible ones
    std::int64_t first_block = 0;  ///< the first that has one
    std::int64_t blocks = 0;       ///< of its file
    std::int64_t truncations = 0;  ///< of the read side, as capture::truncations() counts them
};

/// Reads the log once, dead rows and all. @throws error when the log is in two parts (see replace_log())
[[nodiscard]] awaitable<log_look> look_at_log(pg::connection& session, const transfer::spec& transfer);
/// Of several, in their order, all in the snapshot of one statement.
[[nodiscard]] awaitable<std::vector<log_look>> look_at_logs(pg::connection& session,
                                                            std::vector<const transfer::spec*> transfers);

/// Bytes of the log's file.
[[nodiscard]] awaitable<std::int64_t> log_file_bytes(pg::connection& session, const transfer::spec& transfer);

/// A log whose file is longer is not read under the last lock: a hundred thousand dead rows, some milliseconds.
constexpr std::int64_t longest_log_under_lock = 4 << 20;

/// What replace_log() locks.
[[nodiscard]] lock::target log_target(const transfer::spec& transfer);
/// A log of an earlier change, if one is left: it must go before the next change.
[[nodiscard]] lock::target log_before_target(const transfer::spec& transfer);

/// Changes the log for a new, empty one and moves what is left to replay into it, for one that VACUUM cannot shorten:
/// replayed rows stay in the file for as long as an old transaction, prepared transaction, slot or standby might see
/// them. Makes one attempt at ACCESS EXCLUSIVE on the log: writers of the source wait for that, readers do not.
/// @returns false when the lock was not to be had, or somebody reads what is left of an earlier change
///
/// Nobody may replay, compare or build meanwhile. How it can cross with writers and with its own end (each is stepped
/// through in tests/e2e/change_log_test.cpp):
/// - *A transaction that has written into the log* holds ROW EXCLUSIVE on it until it ends: the lock waits for it, so
///   nothing comes into the old log any more once it is renamed.
/// - *A writer that waits* for the log finds, when it has its lock, that the plan of its trigger is out of date, and
///   looks for the log by its name again: its rows are in the new one.
/// - *Killed between the two transactions*, the log is in two parts. finish_log_replacement() puts them together before
///   anything else is done with the job; look_at_log() refuses to count one part for the whole.
/// - *A snapshot of before it* finds the new log by its name and none of its rows in it: replay would leave them, and a
///   comparison take what they explain for differences. None of ours is in use: this process does nothing beside the
///   swap, and one that has lost the job cannot be in a transaction any more, since each of them holds the job's row
///   (require_tenure()), which begin_tenure() waits for. Those of the application write into the log and never read it.
/// - *Somebody reads the old log* when it is to be dropped (a dump): it is left, as void, and dropped later.
[[nodiscard]] awaitable<bool> replace_log(transfer::workspace& work, pg::connection& session, lock::attempt how);

/// Puts a log together that was left in two parts, and drops what is left of the one before if nobody reads it; else
/// does nothing. To be called before the log is used.
[[nodiscard]] awaitable<void> finish_log_replacement(transfer::workspace& work);

}  // namespace pgeist::replay
