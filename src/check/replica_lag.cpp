#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

awaitable<void> check_replica_lag(const subject& what, findings& into) {
    // Rows of other roles' senders come with nothing but their process id.
    const auto rows = co_await what.conn.query(
        "SELECT count(*), count(*) FILTER (WHERE state IS NULL), current_user FROM pg_stat_replication");
    if (rows.integer(0, 1) > 0) {
        warn(into, "replica_lag",
             fmt::format("{} replicas are connected, and role {} may not see how far behind they are",
                         rows.integer(0, 0), quote_identifier(rows.view(0, 2))),
             fmt::format("--max-lag needs it: GRANT pg_read_all_stats TO {}", quote_identifier(rows.view(0, 2))));
    }
}

}  // namespace pgeist::check
