#pragma once

#include <cstdint>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/pg/statement.hpp"

namespace pgeist::swap {

/// For a table that was replaced and is kept in step, so that it can come back: takes off it whatever would act on rows
/// that are brought there, or keep them away: triggers, rules, policies, row security, foreign keys, constraints that
/// are NOT VALID. `before` describes it as it was in use: by that it all is made again when it comes back, as it was
/// made on the table that has replaced it. Gives the defaults back to columns that keep their own sequence. Nothing
/// when that is done already.
/// Must be called in a transaction. Locks: ACCESS SHARE on the table, the statements ACCESS EXCLUSIVE.
[[nodiscard]] awaitable<std::vector<pg::statement>> retirement(pg::connection& session, std::int64_t oid,
                                                               const catalog::table& before);

}  // namespace pgeist::swap
