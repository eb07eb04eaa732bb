#pragma once

#include <vector>

#include "pgeist/job/record.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::commands {

/// The jobs of a way back, as they are stored now: `leader`, and those of the tables that go back together with its.
[[nodiscard]] awaitable<std::vector<job::record>> load_all(pg::connection& session, job::record leader);

/// They rest again, with the settings of before the last `pgeist revert`: whatever that had begun is begun anew by the
/// next one. `leader` gets what is stored.
[[nodiscard]] awaitable<void> let_rest(pg::connection& session, const task::kind& kind, job::record& leader);

}  // namespace pgeist::commands
