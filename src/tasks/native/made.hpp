#pragma once

#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/steps/step.hpp"

namespace pgeist::native {

/// Whether it is to be known what the action's transaction has made: to take it back, or because later actions name it.
[[nodiscard]] bool makes_something(const steps::action& what);

/// Puts the name of the index that the last action up to `at` makes in the place of {{index}}.
void put_in_index(const steps::step& of, int at, std::string& sql);

/// What the open transaction has made for this action of a step about `table`.
[[nodiscard]] awaitable<std::vector<steps::made_object>> find_made(pg::connection& session, std::string table,
                                                                   const steps::action& by);

/// What drops it, by the name that it has now; empty where it is gone.
[[nodiscard]] awaitable<std::string> undoing_sql(pg::connection& session, steps::made_object what);

/// The action's statements as they are to be run now: with the names that earlier actions' constraints have, and with
/// the CHECKs over its column around them where it is to make those anew. Under search_path = pg_catalog, so that all
/// names in them are qualified. @throws error (failed) when a constraint that is named is gone
[[nodiscard]] awaitable<std::vector<std::string>> statements_now(pg::connection& session, const steps::step& of,
                                                                 int at);

}  // namespace pgeist::native
