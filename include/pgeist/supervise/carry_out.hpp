#pragma once

#include "pgeist/job/record.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/supervise/session_set.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::supervise {

/// Runs a prepared job, whose locks `sessions.hold` has, to its end and records how it ended. When connections are
/// lost, everything stops, and the job is taken on again as soon as the same server, or its promoted standby, answers,
/// for --reconnect-max at most.
/// @throws error; connection_lost when the server was not to be had again, or is another one: the job is resumable
[[nodiscard]] awaitable<void> carry_out(session_set& sessions, const task::kind& kind, job::record record,
                                        report::observer& observer);

/// Compares both sides of an interrupted job, whose locks `sessions.hold` has, and leaves the job as resumable as it
/// was. @throws error as the verification of a run does
[[nodiscard]] awaitable<void> compare_again(session_set& sessions, const task::kind& kind, job::record record,
                                            report::observer& observer);

}  // namespace pgeist::supervise
