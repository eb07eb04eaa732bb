#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/fill/spec.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::fill {

/// Rows of a table that a fill would write.
struct survey {
    std::int64_t differing = 0;
    std::vector<std::string> keys;  ///< `id = 7` of the first ten; `ctid = (0,1)` where there is no key
};

/// Looks at all rows, a stretch of the key at a time, each with a snapshot of its own; in one go where the key's index
/// has gone. Locks: ACCESS SHARE, one
/// statement at a time. @throws pg::sql_error when an expression fails for a row
[[nodiscard]] awaitable<survey> look_over(pg::connection& session, spec of);

}  // namespace pgeist::fill
