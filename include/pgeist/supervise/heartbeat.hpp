#pragma once

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/report/event_recorder.hpp"
#include "pgeist/supervise/switchboard.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::supervise {

/// A job at work, as its heartbeat sees it. References to objects of the runner.
struct vital_signs {
    task::work& work;
    job::advisory_locks& hold;
    job::tenure mine;
    switchboard& switches;
    report::event_recorder& told;
    report::progress& progress;
    job::identity& known;             ///< kept up to date with the server's WAL
    const task::phase* const& phase;  ///< the one that the job is in
    const task::kind& kind;
};

/// Shows progress, stores it with the job each half second, reads what others ask for, and has the task look whether
/// anything speaks against going on; all over the session that holds the job's locks: a run that has lost its lock ends
/// here. Runs until it is cancelled.
/// @throws cancelled when `pgeist cancel` asks for it; error when a critical level is reached, or what the task has
/// found; sql_error when the session is lost
[[nodiscard]] awaitable<void> heartbeat(vital_signs& of);

/// Stores what the report::event_recorder has kept for the job's history. A job that is gone, or a session that is
/// lost, keeps it.
[[nodiscard]] awaitable<void> store_events(vital_signs& of);

/// Stores how far a job has come that is at its end: the last half second of it, too.
[[nodiscard]] awaitable<void> last_beat(vital_signs& of);

}  // namespace pgeist::supervise
