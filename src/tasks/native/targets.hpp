#pragma once

#include <vector>

#include "pgeist/lock/table_lock.hpp"
#include "pgeist/steps/step.hpp"

namespace pgeist::native {

/// What there is to be locked first, each relation in its mode and the way that its kind takes. What this role may not
/// lock, and what is not there (yet), is left to the statement. Takes no lock.
[[nodiscard]] awaitable<lock::target> target_for(pg::connection& session, std::vector<steps::wanted_lock> locks);
[[nodiscard]] bool is_empty(const lock::target& wanted);

}  // namespace pgeist::native
