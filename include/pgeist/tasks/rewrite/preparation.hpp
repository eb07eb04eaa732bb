#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/check/finding.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::rewrite {

/// What looking at the table and making the shadow gave.
struct preparation {
    std::vector<check::finding> findings;
    std::int64_t job = 0;
    std::optional<plan::blueprint> blueprint;  ///< absent when a check refuses
    std::optional<std::string> nothing_to_do;  ///< the table has the change already
    std::vector<std::string> warnings;
    std::vector<std::string> way_back_told;   ///< of a --revertible run: what becomes of each old column
    std::vector<plan::statement> statements;  ///< by which the shadow was made
    capture::key_numbers key_numbers;         ///< of the source
};

/// What the user is to know before it begins: what checks warn of, and what making the shadow has.
[[nodiscard]] std::vector<std::string> all_warnings(const preparation& made);

/// Finds the table, runs all checks, and makes the shadow, all in the transaction that is open on `session`: a caller
/// that only plans, or that is refused, rolls back and has changed nothing. With `hold` the table's lock is taken first
/// and the job is recorded, as one of `kind`; without (plan) neither. Locks: ACCESS SHARE on the source.
/// @throws error (already_running) when another run holds the table; error (refused) when the change is not valid
[[nodiscard]] awaitable<preparation> prepare(pg::connection& session, job::advisory_locks* hold,
                                             plan::change_request change, run::settings chosen,
                                             std::string kind = kind_name);

/// One of several jobs that are prepared together.
struct wanted_job {
    plan::change_request change;
    std::string kind = kind_name;
};

/// prepare() for tables that are exchanged together. @returns one for each, in their order. Where some of them have
/// nothing to do, or one is refused, no blueprint is in any of them: they are to be prepared again without those, in
/// another transaction
[[nodiscard]] awaitable<std::vector<preparation>> prepare_together(pg::connection& session, job::advisory_locks* hold,
                                                                   std::vector<wanted_job> wanted,
                                                                   run::settings chosen);

/// Why the change is there already, by the jobs that were, or by trying it on an empty copy of the table; nothing when
/// it is not, or that cannot be told. In a transaction of its own, which is rolled back. Locks: ACCESS SHARE.
[[nodiscard]] awaitable<std::optional<std::string>> find_change(pg::connection& session, plan::change_request change);

/// One run prepares at a time, until the transaction that is open ends: of two on tables that are tied to each other
/// the second must see the first one's job. @throws error (lock_not_obtained) after a minute
[[nodiscard]] awaitable<void> wait_for_turn(pg::connection& session);
/// Makes schema `pgeist` unless it is there, in the transaction that is open.
/// @throws error (refused) naming the event trigger that is in the way
[[nodiscard]] awaitable<void> make_state(pg::connection& session);

/// For what the user has written and is stored with the job. @throws error (refused) when the database's encoding lacks
/// a character of it; a transaction that is open has failed then
[[nodiscard]] awaitable<void> require_sendable(pg::connection& session, std::string text);

/// For a prepare() that failed because it did not get a lock in time, once that has been rolled back.
/// @throws error (lock_not_obtained) that names who holds what
[[nodiscard]] awaitable<void> throw_not_readable(pg::connection& session, qualified_name table);

/// @throws error (refused) listing all findings that refuse
void throw_if_refused(const std::vector<check::finding>& findings);

}  // namespace pgeist::rewrite
