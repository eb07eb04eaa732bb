#pragma once

#include <cstdint>
#include <vector>

#include "pgeist/pg/inquiry.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::swap {

/// Sessions with an open transaction that has changed the rights on the table or on one of its columns: GRANT and
/// REVOKE take no lock on it, and what commits after the swap would be rights on the old table. The swap waits for them
/// to end, as for who holds a lock. Takes no lock. Sees nothing of itself.
[[nodiscard]] awaitable<std::vector<report::blocker>> changing_rights(pg::inquiry& ask, std::int64_t table_oid);

}  // namespace pgeist::swap
