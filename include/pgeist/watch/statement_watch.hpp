#pragma once

#include <optional>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/watch/build_figures.hpp"

namespace pgeist::watch {

/// What another session sees of a statement that is at work.
struct look {
    std::optional<build_row> build;         ///< when it builds an index, as far as the server tells
    std::vector<report::blocker> blockers;  ///< whom it waits for: a lock, or the end of a transaction
    bool in_a_circle = false;  ///< one of them waits for it in turn: whose deadlock_timeout is over first is cancelled
};

/// Looks at the statement of backend `pid`, of our own role, over another session. Takes no lock; changes nothing.
[[nodiscard]] awaitable<look> look_at(pg::connection& observer_session, int pid);

}  // namespace pgeist::watch
