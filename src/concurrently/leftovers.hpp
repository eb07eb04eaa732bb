#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"
#include "register.hpp"

namespace pgeist::concurrently {

/// An index that an interrupted statement of the job has left, and that nobody can use.
struct leftover {
    std::int64_t oid = 0;
    qualified_name name;
    bool at_work = false;  ///< a session is building it: it is not ours after all, or has not been ended
};

/// What is left of an entry's statement: indexes of its table that were not there before, or are the very ones that it
/// was about, and that are invalid. Never one that is valid, but for one that was made for a constraint and has none.
/// Nothing when all is as it should be.
[[nodiscard]] awaitable<std::vector<leftover>> find_leftovers(pg::connection& session, const entry& what);

/// Whether the partition of a `detach` entry waits for FINALIZE.
[[nodiscard]] awaitable<bool> is_detach_pending(pg::connection& session, const entry& what);

}  // namespace pgeist::concurrently
