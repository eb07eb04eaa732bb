#pragma once

#include <cstdint>
#include <string>

#include "pgeist/task/kind.hpp"

namespace pgeist::task {

/// What a job's row says that is to be taken back, whatever version of pgeist has written its plan.
struct leftovers {
    std::int64_t table_oid = 0;
    qualified_name table;  ///< the user's, as it is called now; without names when it is gone
    std::string table_as_noted;
    std::string phase;
    std::string state;
    std::string state_owner;
};

/// @throws error (refused) when there is no such job
[[nodiscard]] awaitable<leftovers> read_leftovers(pg::connection& session, std::int64_t job);

/// Of a job in somebody else's state: that its clean-up executes nothing that stands there, and drops no schema but
/// those of the state's owner, or of the table's; of this role's own only those of jobs about a table of his. To be
/// asked of each job, also of one that is a step of another.
/// @throws error (refused) with what to do instead
[[nodiscard]] awaitable<void> require_cleanable(pg::connection& session, const kind& kind, std::int64_t job,
                                                const leftovers& left);

}  // namespace pgeist::task
