#pragma once

#include <memory>
#include <set>
#include <utility>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/pool.hpp"

namespace pgeist::supervise {

/// What everything a command opens hangs on.
struct session_set {
    explicit session_set(pg::connect_options how) : options(how), pool(std::move(how), "pgeist") {}
    pg::connect_options options;
    pg::pool pool;
    std::unique_ptr<job::advisory_locks> hold;
    /// Every session that this process has held locks with: the server may not have noticed yet that one is lost.
    std::set<job::backend> own;
};

/// Opens the connection for the advisory locks; all others have to lead to the same server. Its statements never wait
/// for long: what is not answered within half a minute is taken for a lost connection. @throws sql_error
/// (connection_lost)
[[nodiscard]] awaitable<void> open_hold(session_set& sessions);

}  // namespace pgeist::supervise
