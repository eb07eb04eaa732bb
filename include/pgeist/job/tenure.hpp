#pragma once

#include <cstdint>

#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// Which process works on a job: whoever takes it on counts its incarnation up, and what an earlier one still tries is
/// refused (require_tenure). An advisory lock alone cannot do that: it is lost with its connection, and a process whose
/// other connections live on notices a moment later.
struct tenure {
    std::int64_t job = 0;
    std::int64_t incarnation = 1;
    bool guarded = false;  ///< in the state of others: each transaction sees to it that it stays as it is (guard_state)
};

/// Makes a transaction of a run part of this tenure: as long as it is open, nobody else can take the job on, and when
/// somebody has, it throws. To be called at the beginning of every transaction that changes what belongs to the job.
/// Locks: the job's row FOR KEY SHARE. @throws error (already_running) when the job was taken on, or removed, by others
[[nodiscard]] awaitable<void> require_tenure(pg::connection& session, tenure mine);
/// What becomes of requests (pause, set, …) that were handed in before.
enum class requests {
    keep,   ///< the same process goes on, or nobody will obey any
    forget  ///< a new process begins; who waits for an answer is told (answers::forgotten)
};
/// Takes the job on: waits for the transactions of the tenure before, and ends it. In no transaction; the advisory
/// locks must be held. @returns the new tenure
[[nodiscard]] awaitable<tenure> begin_tenure(pg::connection& session, std::int64_t job, requests what = requests::keep);

}  // namespace pgeist::job
