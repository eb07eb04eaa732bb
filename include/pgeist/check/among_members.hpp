#pragma once

#include <cstdint>
#include <vector>

#include "pgeist/check/finding.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::check {

/// What tables that are to be exchanged together must not have among themselves: a policy on one that reads another one
/// would have to be made before and after the other's. Takes no lock. @throws pg::sql_error
[[nodiscard]] awaitable<std::vector<finding>> check_among_members(pg::connection& conn,
                                                                  std::vector<std::int64_t> tables);

}  // namespace pgeist::check
