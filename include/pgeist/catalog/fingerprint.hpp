#pragma once

#include <cstdint>
#include <string>

#include "pgeist/pg/connection.hpp"

namespace pgeist::catalog {

/// A digest of the definition of table `oid` and of everything that hangs on it; empty when there is no such table.
/// One query over the catalogs, made for use under the swap's lock: takes no lock itself. Does not change by writes,
/// VACUUM, ANALYZE or by pgeist's own triggers.
/// @throws pg::sql_error
[[nodiscard]] awaitable<std::string> fingerprint(pg::connection& conn, std::int64_t oid);

/// Whether the digest is still the one that was taken `then`, by this version or an earlier one. As above.
[[nodiscard]] awaitable<bool> still_has_fingerprint(pg::connection& conn, std::int64_t oid, std::string then);

}  // namespace pgeist::catalog
