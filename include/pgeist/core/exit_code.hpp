#pragma once

namespace pgeist {

/// What the process tells its caller; scripts depend on the numbers.
enum class exit_code : int {
    done = 0,                 ///< done, or nothing to do
    failed = 1,               ///< failed; the source table is as it was and still in use
    usage = 2,                ///< wrong usage
    refused = 3,              ///< refused by a preflight check, nothing changed
    lock_not_obtained = 4,    ///< gave up waiting for a lock, nothing swapped; resumable
    verification_failed = 5,  ///< source and shadow differ, not swapped
    cancelled = 6,            ///< cancelled by the user; resumable after a signal
    outcome_unknown = 7,      ///< connection lost at the swap's commit and no answer since
    already_running = 8,      ///< another run holds this table
    connection_lost = 9,      ///< connection failed or lost for good; resumable
};

}  // namespace pgeist
