#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/pg/inquiry.hpp"

namespace pgeist::catalog {

/// A digest of the definition of table `oid` and of everything that hangs on it; empty when there is no such table.
/// One query over the catalogs, made for use under the swap's lock: takes no lock itself. Does not change by writes,
/// VACUUM, ANALYZE or by pgeist's own triggers.
/// @throws pg::sql_error
[[nodiscard]] awaitable<std::string> fingerprint(pg::connection& conn, std::int64_t oid);

/// Whether the digest is still the one that was taken `then`, by this version or an earlier one. As above.
[[nodiscard]] awaitable<bool> still_has_fingerprint(pg::inquiry& ask, std::int64_t oid, std::string then);

/// What the digest is made of, sorted: for each part its name for people (`view order_list`, `column id`) and a hash.
/// @throws pg::sql_error
[[nodiscard]] awaitable<std::vector<std::string>> fingerprint_parts(pg::connection& conn, std::int64_t oid);

/// Stands between the name of a part and its hash.
inline constexpr char part_separator = '\t';

/// The name of a part whose text, a row of the server's, begins so.
[[nodiscard]] std::string name_part(const std::string& row);

/// The names of the parts that only one of the two has: `view a (added), column b (changed)`. Both are sorted.
[[nodiscard]] std::string changed_parts(const std::vector<std::string>& before, const std::vector<std::string>& now);

}  // namespace pgeist::catalog
