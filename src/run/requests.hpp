#pragma once

#include <cstdint>

#include "pgeist/pg/connection.hpp"

namespace pgeist::run {

/// For who waits for the answer to a request. @throws error (refused) when the request of that number was forgotten,
/// since another process has taken the job on meanwhile; nothing when it may still be answered, or the job is gone
[[nodiscard]] awaitable<void> require_not_forgotten(pg::connection& session, std::int64_t job, std::int64_t number);

}  // namespace pgeist::run
