#pragma once

#include <string>

#include "pgeist/task/phase.hpp"
#include "pgeist/task/work.hpp"

// How the phases of a rewrite are taken back. Each may find that there is nothing to do, and may be repeated.
namespace pgeist::rewrite {

/// What is left of a swap that was made: does it. What cannot be done is told, with the statement.
[[nodiscard]] awaitable<void> finish_what_was_swapped(task::undo_context& at);

/// Takes away the constraint that a run puts on a DEFAULT partition just before the swap; its partitions have it too.
/// First the triggers: whoever keeps the partition locked must not keep capture at work. Locks: that partition ACCESS
/// EXCLUSIVE, by the polite protocol, and as take_off_triggers().
[[nodiscard]] awaitable<void> drop_bound_constraint(task::undo_context& at);

/// Takes the triggers off the live table. Locks: ACCESS EXCLUSIVE, by the polite protocol, and its advisory lock.
/// @throws error (already_running) when another job has that
[[nodiscard]] awaitable<void> take_off_triggers(task::undo_context& at);

/// Waits, politely, for ACCESS EXCLUSIVE on `table`, runs `sql` under it, and commits.
[[nodiscard]] awaitable<void> run_locked(task::undo_context& at, qualified_name table, std::string sql);

/// Takes the triggers off the live table, and drops the schemas of the job, of whom the locks are held; its row stays.
/// May be repeated. Locks: as take_off_triggers() and drop_own().
/// @throws error (lock_not_obtained) when there was no moment for one of them
[[nodiscard]] awaitable<void> take_back(task::context& with, job::tenure mine, qualified_name table,
                                        std::int64_t table_oid);

/// Drops the schemas of the job with the shadow or the old table, and its row. Locks: those tables, and the ends of
/// their foreign keys. @throws error (lock_not_obtained) when there was no moment for it
[[nodiscard]] awaitable<void> drop_own(task::undo_context& at);

}  // namespace pgeist::rewrite
