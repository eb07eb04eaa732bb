#pragma once

#include <cstdint>
#include <optional>

#include "pgeist/job/store.hpp"

namespace pgeist::run {

/// For who waits for the answer to a request and has read `now`; to be asked before answers::obeyed is believed, which
/// counts forgotten requests too. @throws error (refused) when the request of that number was forgotten,
/// since another process has taken the job on meanwhile; nothing when it may still be answered, or the job is gone
void require_not_forgotten(const std::optional<job::answers>& now, std::int64_t job, std::int64_t number);

}  // namespace pgeist::run
