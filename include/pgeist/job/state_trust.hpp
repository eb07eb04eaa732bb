#pragma once

#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

// Whoever owns a table decides what is executed by those who read or change it: its triggers, rules, defaults and index
// expressions run with their rights. Schema `pgeist` may have been made by anybody who may create schemas, before
// pgeist was ever used. So it is believed where it and everything in it belong to the session's own role, to one that
// the session's is a member of, to the database's owner or to a superuser. That a superuser has the rights of all roles
// makes him a member of none. Tables of somebody else are believed, too, where they are as pgeist makes them and
// nothing hangs on them: a superuser looks after the jobs of others. What their owner does meanwhile is not noticed.
// The same rule holds for every command. So no command uses the view and the function that are in the schema for people
// who have only psql: nobody looks at what is in those.

/// Whether schema `pgeist` with its tables is there. Executes nothing of what is in it.
/// @throws error (refused) naming what belongs to whom, when it is not to be believed
[[nodiscard]] awaitable<bool> has_state_schema(pg::connection& session);

/// The same for who only reads pgeist.jobs, in the transaction that is open: a table of somebody else's will do if it
/// is one of plain columns on which nothing hangs that could be executed. Locks: a table of somebody else's SHARE
/// UPDATE EXCLUSIVE, so that it stays like that; waits five seconds at most.
/// @throws error (refused) as above
[[nodiscard]] awaitable<bool> has_readable_jobs(pg::connection& session);

}  // namespace pgeist::job
