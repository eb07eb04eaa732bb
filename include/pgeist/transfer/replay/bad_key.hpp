#pragma once

#include "pgeist/transfer/replay/replay_sql.hpp"
#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::replay {

/// A batch failed because a live row does not fit the target: finds its key among the first few thousand of the
/// selected log rows, by INSERTs of single rows that are rolled back. `session` must be in no transaction.
/// @returns `id = 50`; empty when no single row fails any more
[[nodiscard]] awaitable<std::string> find_bad_key(pg::connection& session, const transfer::spec& transfer,
                                                  selection rows);

}  // namespace pgeist::replay
