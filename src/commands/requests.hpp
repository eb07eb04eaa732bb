#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/job/requests.hpp"

namespace pgeist::commands {

/// Asks the run of a job for something, in the transaction that is open. @returns the request's number
/// @throws error (refused) when there is no such job, nobody runs it, or it is too late
[[nodiscard]] awaitable<std::int64_t> hand_in(pg::connection& session, std::int64_t job, std::string action,
                                              std::optional<std::string> name, std::optional<std::string> value);

/// For who waits for the answer to a request and has read `now`; to be asked before answers::obeyed is believed, which
/// counts forgotten requests too. @throws error (refused) when the request of that number was forgotten,
/// since another process has taken the job on meanwhile; nothing when it may still be answered, or the job is gone
void require_not_forgotten(const std::optional<job::answers>& now, std::int64_t job, std::int64_t number);

}  // namespace pgeist::commands
