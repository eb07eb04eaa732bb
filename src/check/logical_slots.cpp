#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

// pgoutput sends what publications say; those of pglogical and its kind what their replication sets say; that of REPACK
// (CONCURRENTLY) one table's changes, to the session itself.
constexpr const char* slots_sql = R"(
    SELECT string_agg(format('%I (%s)', slot_name, plugin), ', ' ORDER BY slot_name) FROM pg_replication_slots
     WHERE database = current_database() AND slot_type = 'logical'
       AND plugin NOT IN ('pgoutput', 'pglogical_output', 'spock_output', 'bdr', 'pgactive',
                          'pgrepack'))";

}  // namespace

/// Most other plugins send every table's changes.
awaitable<void> check_logical_slots(const subject& what, findings& into) {
    const auto rows = co_await what.conn.query(slots_sql);
    if (!rows.is_null(0, 0)) {
        warn(into, "logical_slots",
             fmt::format("who reads slot {} gets every row of the copy and of the change log, unless tables are "
                         "chosen there",
                         rows.text(0, 0)),
             "have it leave out schemas pgeist and pgeist_N");
    }
}

}  // namespace pgeist::check
