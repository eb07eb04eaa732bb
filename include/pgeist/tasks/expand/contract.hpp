#pragma once

#include <cstdint>

#include "pgeist/job/record.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/tasks/expand/spec.hpp"

namespace pgeist::expand {

/// What `pgeist contract` is to do.
enum class contraction {
    try_it,  ///< take the old columns out of sight
    undo,    ///< put them back
    carry_out
};

/// For who holds the locks of an expanded job. Locks: ACCESS EXCLUSIVE on the table, for some milliseconds, by the
/// swap's protocol and its options.
/// @throws error (refused) when the job is not expanded, or something depends on an old column; error
/// (lock_not_obtained) naming who is in the way: nothing was done
[[nodiscard]] awaitable<void> contract(pg::pool& pool, const job::record& job, contraction what,
                                       report::observer& observer);

}  // namespace pgeist::expand
