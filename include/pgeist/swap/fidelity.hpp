#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/pg/inquiry.hpp"
#include "pgeist/plan/blueprint.hpp"

namespace pgeist::swap {

/// Reads the new tables' definitions inside the swap's transaction and compares them with the plans'; nothing may refer
/// to the old tables any more. So a loss is found on the day it matters, and rolled back.
/// @throws error (failed) that names what is missing
[[nodiscard]] awaitable<void> require_nothing_lost(pg::connection& session, std::vector<const plan::blueprint*> plans);

/// What GRANT and REVOKE change of the old table, wherever it is now, and of what stays with it: they wait for no lock,
/// and what they change once the definition has been compared would be lost.
[[nodiscard]] awaitable<std::string> rights_of_old(pg::inquiry& ask, std::int64_t source_oid);

/// Reads the same of the old tables without any lock: the server keeps plans and what it had to look up for it, and is
/// faster under the lock. Must be called in a transaction.
[[nodiscard]] awaitable<void> warm_up(pg::connection& session, std::vector<const plan::blueprint*> plans);

}  // namespace pgeist::swap
