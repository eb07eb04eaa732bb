#pragma once

#include "pgeist/build/workspace.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/phase.hpp"
#include "pgeist/run/event_recorder.hpp"
#include "pgeist/run/switchboard.hpp"

namespace pgeist::run {

/// Shows progress, stores it with the job each half second, reads what others ask for, and looks each second whether
/// somebody has changed the source's definition or the triggers on it; all over the session that holds the job's locks:
/// a run that has lost its lock ends here. Keeps `known` up to date with the server's WAL; `reached` is the phase the
/// run is in. Runs until it is cancelled.
/// @throws cancelled when `pgeist cancel` asks for it; error when a critical level is reached or the log has grown too
/// large, or naming what was changed; sql_error when the session is lost
[[nodiscard]] awaitable<void> heartbeat(build::workspace& work, job::advisory_locks& hold, switchboard& switches,
                                        event_recorder& told, job::identity& known, const job::phase& reached);

/// Stores what the event_recorder has kept for the job's history. A job that is gone, or a session that is lost, keeps
/// it.
[[nodiscard]] awaitable<void> store_events(build::workspace& work, job::advisory_locks& hold, event_recorder& told);

}  // namespace pgeist::run
