#pragma once

#include <memory>
#include <utility>

#include "pgeist/job/hold.hpp"
#include "pgeist/pg/pool.hpp"

namespace pgeist::run {

/// What everything a command opens hangs on.
struct session_set {
    explicit session_set(pg::connect_options how) : options(how), pool(std::move(how), "pgeist") {}
    pg::connect_options options;
    pg::pool pool;
    std::unique_ptr<job::hold> hold;
};

/// Opens the connection for the advisory locks. @throws sql_error (connection_lost)
[[nodiscard]] awaitable<void> open_hold(session_set& sessions);

}  // namespace pgeist::run
