#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

[[nodiscard]] awaitable<void> add_event(pg::connection& session, std::int64_t job, std::string event,
                                        std::string detail);
/// The detail of the newest event of this name; nothing when there is none.
[[nodiscard]] awaitable<std::optional<std::string>> last_event(pg::connection& session, std::int64_t job,
                                                               std::string event);
/// Whether an event of this name is noted for the job.
[[nodiscard]] awaitable<bool> has_event(pg::connection& session, std::int64_t job, std::string event);

}  // namespace pgeist::job
