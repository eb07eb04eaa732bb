#pragma once

#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/revert_plan.hpp"

namespace pgeist::way_back {

/// What the swap back is planned from.
struct beginning {
    const plan::blueprint& first;  ///< of the job
    const plan::revert_plan& now;
    const plan::change_request& change;
    std::int64_t job = 0;
    const std::vector<std::string>& lose;  ///< what others have put on the table in use, and that may go with it
};

/// The swap back.
struct planned {
    plan::blueprint swap;
    plan::revert_plan next;  ///< how it goes on from there
    std::vector<std::string> warnings;
};

/// Plans the swap of the two tables anew, from what the catalogs say now: the table in use leaves, the one that waits
/// becomes what it was when it was in use last. Makes what logs the writes after that, asleep. Several tables change
/// places together: the one that waits stands for its table in the others' eyes, what lies between two of them is
/// planned once. To be run in a transaction: committed, it is ready; rolled back, it was only tried.
/// Locks: ACCESS SHARE on the tables in use; on those that wait SHARE ROW EXCLUSIVE, and ACCESS EXCLUSIVE where one is
/// to be a partition again.
/// @returns one for each, in the same order
/// @throws error (refused) that names what is in the way, or what would be lost
[[nodiscard]] awaitable<std::vector<planned>> plan_swaps_back(pg::connection& conn, std::vector<beginning> all);

}  // namespace pgeist::way_back
