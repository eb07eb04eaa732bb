#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "pgeist/job/record.hpp"
#include "pgeist/supervise/session_set.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::commands {

/// Makes a job in one transaction: `make` is awaited in it, and yields the job's number, or nothing when there is
/// nothing to do. When the connection is lost at the COMMIT, finds out what became of it, for `longest` at most.
/// @returns the job as it is stored @throws what `make` throws, when the transaction is rolled back; error
/// (lock_not_obtained) naming who holds `table`, if one is named, when it cannot be read in time
[[nodiscard]] awaitable<std::optional<job::record>> create_job(
    supervise::session_set& sessions, const task::kind& kind, std::chrono::milliseconds longest, qualified_name table,
    std::function<awaitable<std::optional<std::int64_t>>(pg::connection&)> make);

/// Runs `trial` in a transaction that is rolled back, for a plan. @throws what it throws; error (lock_not_obtained)
/// naming who holds `table` when it cannot be read in time
[[nodiscard]] awaitable<void> try_on_table(pg::connection& session, qualified_name table,
                                           std::function<awaitable<void>()> trial);

}  // namespace pgeist::commands
