#pragma once

#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// Creates schema `pgeist` unless it is there, in an open transaction. Two first runs at once are told apart by the
/// server's unique indexes. @returns whether it was made now
[[nodiscard]] awaitable<bool> ensure_state_schema(pg::connection& session);

/// Adds what a schema of an earlier version lacks, if there is one, in transactions of its own: a job that an earlier
/// version began can be gone on with, and steered, and a new one be recorded.
/// Locks: ACCESS EXCLUSIVE on the tables that lack something, pgeist.jobs included; waits for each five seconds at
/// most.
/// @throws error (lock_not_obtained) when a run of an earlier version is at work; sql_error when this role may not
/// change it
[[nodiscard]] awaitable<void> bring_state_up_to_date(pg::connection& session);

}  // namespace pgeist::job
