#pragma once

#include <cstdint>

#include "pgeist/pg/connection.hpp"
#include "pgeist/steps/step.hpp"

namespace pgeist::native {

/// That the step's table is the one that the job is about, where it is about one: whatever has its name by now.
/// In a transaction, to be called under the locks. @throws error (failed)
[[nodiscard]] awaitable<void> require_same_table(pg::connection& session, std::int64_t job, const steps::step& of);

/// That the names in the step's statement lead to the relations for which it was planned, under the settings that it is
/// run with. @throws error (failed) naming both
[[nodiscard]] awaitable<void> require_same_names(pg::connection& session, const steps::step& of);

}  // namespace pgeist::native
