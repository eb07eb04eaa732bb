#include <chrono>

#include <fmt/format.h>

#include "checks.hpp"
#include "pgeist/core/units.hpp"

namespace pgeist::check {

namespace {

constexpr const char* long_transactions_check = "long_transactions";

// Five minutes: longer than what an application does on purpose, and about what one is willing to wait.
constexpr const char* sessions_sql = R"(
    SELECT format('session %s of %s%s', pid, coalesce(usename, '?'),
                  CASE WHEN application_name <> '' THEN format(' (%s)', application_name) ELSE '' END) AS who,
           (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::bigint AS age_ms
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
       AND xact_start < clock_timestamp() - interval '5 minutes'
    UNION ALL
    SELECT format('prepared transaction %s of %s', quote_literal(gid), owner),
           (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint
      FROM pg_prepared_xacts
     WHERE database = current_database() AND prepared < clock_timestamp() - interval '5 minutes'
     ORDER BY age_ms DESC)";

}  // namespace

awaitable<void> check_long_transactions(const subject& what, findings& into) {
    const auto rows = co_await what.conn.query(sessions_sql);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto age = std::chrono::milliseconds(rows.integer(row, "age_ms"));
        warn(into, long_transactions_check,
             fmt::format("{} has a transaction open for {}", rows.text(row, "who"), format_duration(age)),
             "capture waits for it if it uses the table, and the swap waits for its end");
    }
}

}  // namespace pgeist::check
