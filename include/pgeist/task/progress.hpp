#pragma once

#include <cstdint>
#include <string>

#include "pgeist/job/requests.hpp"
#include "pgeist/report/event_recorder.hpp"

namespace pgeist::task {

/// What the job's row is to say of how far it is.
[[nodiscard]] job::heartbeat heartbeat_of(const report::progress& now, std::string state);

/// Stores what the job's history is to say. What could not be stored is kept for the next time: whoever needs the
/// session finds out, and says so.
[[nodiscard]] awaitable<void> store_events(pg::connection& session, std::int64_t job, report::event_recorder& told);

}  // namespace pgeist::task
