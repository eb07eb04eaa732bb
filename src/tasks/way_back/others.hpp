#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/revert_plan.hpp"
#include "pgeist/target/build_context.hpp"

// What others have done to either table since the last swap.
namespace pgeist::way_back {

/// What `now`, of catalog::fingerprint_parts(), has more than `before`, or otherwise, in kinds that belong to the table
/// itself: it would be lost with the table in use. Without those named in `lose`, each as people know it: `index
/// a_idx`. `source` names columns.
[[nodiscard]] std::vector<std::string> put_on_since(const std::vector<std::string>& before,
                                                    const std::vector<std::string>& now, const catalog::table& source,
                                                    const std::vector<std::string>& lose);

/// @throws error (refused) that names what put_on_since() finds
void require_nothing_put_on(const plan::revert_plan& plan, const std::vector<std::string>& parts,
                            const catalog::table& source, const std::vector<std::string>& lose);

/// @throws error (refused) when the table that waits has another name, or is not any more what began to wait
[[nodiscard]] awaitable<void> require_waiting_unchanged(pg::connection& session, const plan::revert_plan& plan);

/// The foreign keys of `before`, and those that refer to it, with today's names of the tables at their other ends. Keys
/// of others that have been dropped meanwhile are left out. Where the other end comes back together with it, that is
/// the table in use there, as everywhere where a plan tells of another table of its group.
/// @throws error (refused) when a table or column that `before` refers to is gone, and `lose` does not name the key
[[nodiscard]] awaitable<void> lead_keys_to_todays_tables(target::build_context& at,
                                                         const std::vector<std::string>& lose, catalog::table& before);

}  // namespace pgeist::way_back
