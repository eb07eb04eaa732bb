#pragma once

#include "pgeist/job/store.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::run {

/// @throws error (refused) unless the job has come to its verification and has not swapped
void require_comparable(const job::record& job);

/// Asks the run of a job to compare both tables before its swap, and waits for what it finds.
/// @throws error (verification_failed) when they differ; error when the run ends without comparing
[[nodiscard]] awaitable<void> ask_run_to_verify(pg::connection& session, std::int64_t job, report::observer& observer);

}  // namespace pgeist::run
