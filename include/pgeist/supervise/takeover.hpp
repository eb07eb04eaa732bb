#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "pgeist/job/identity.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/supervise/session_set.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::supervise {

/// Makes this process the one that works on a job, and on the others of the group that it leads: takes both advisory
/// locks on `sessions.hold`, ends what is left of earlier runs, and begins a new tenure. A lock that an earlier
/// connection of this very process still has is taken from it. State that an earlier version made is brought up to date
/// first. Requests that come in from then on are kept; `what` tells of earlier ones.
/// @returns the job as it is now that nobody else moves it
/// Locks: SHARE ROW EXCLUSIVE on the tables that the job writes to, momentarily.
/// @throws error (already_running) naming who holds job or table; error (refused) when the state is not one's own, the
/// job was restored from a dump, or its role may not be given what it still needs
[[nodiscard]] awaitable<job::record> take_over(session_set& sessions, const task::kind& kind, std::int64_t job,
                                               job::requests what = job::requests::keep);

/// What tells a job whose making may have failed at its COMMIT.
struct pending_creation {
    std::int64_t job = 0;
    std::string xid;
    std::string token;
    job::identity where;  ///< as of before the COMMIT
};

/// To be asked in the transaction that makes the job, open on `session`, before its COMMIT.
[[nodiscard]] awaitable<pending_creation> note_creation(session_set& sessions, pg::connection& session,
                                                        std::int64_t job);

/// After the connection was lost at that COMMIT: finds out, within `longest`, whether the job is there, and takes it
/// over. A standby and another server are not believed: the right one may answer yet. @throws error (connection_lost)
/// saying that nothing was made, or that nobody knows
[[nodiscard]] awaitable<job::record> resolve_creation(session_set& sessions, const task::kind& kind,
                                                      pending_creation when, std::chrono::milliseconds longest);

}  // namespace pgeist::supervise
