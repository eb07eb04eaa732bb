#pragma once

#include <cstdint>

#include "pgeist/job/store.hpp"
#include "session_set.hpp"

namespace pgeist::run {

/// Makes this process the one that works on a job: takes both advisory locks on `sessions.hold`, ends what is left of
/// earlier runs, and begins a new tenure. `lost_pid`: the backend that held the locks for this very process before its
/// connection was lost, if it was: the server may not have noticed yet; 0: none.
/// @returns the job as it is now that nobody else moves it
/// @throws error (already_running) naming who holds job or table
[[nodiscard]] awaitable<job::record> take_over(session_set& sessions, std::int64_t job, int lost_pid);

}  // namespace pgeist::run
