#include "pgeist/job/events.hpp"

#include "rows.hpp"

namespace pgeist::job {

awaitable<void> add_event(pg::connection& session, std::int64_t job, std::string event, std::string detail) {
    pg::parameters values = values_of(job, event, detail);
    co_await write(session, "INSERT INTO pgeist.events (job, event, detail) VALUES ($1, $2, nullif($3, ''))",
                   std::move(values));
}

awaitable<std::optional<std::string>> last_event(pg::connection& session, std::int64_t job, std::string event) {
    const pg::result row = co_await session.query(
        "SELECT detail FROM pgeist.events WHERE job = $1 AND event = $2 ORDER BY at DESC LIMIT 1", job, event);
    std::optional<std::string> detail;
    if (!row.empty()) {
        detail = row.text(0, 0);
    }
    co_return detail;
}

awaitable<bool> has_event(pg::connection& session, std::int64_t job, std::string event) {
    const pg::result row =
        co_await session.query("SELECT EXISTS (SELECT FROM pgeist.events WHERE job = $1 AND event = $2)", job, event);
    co_return row.boolean(0, 0);
}

}  // namespace pgeist::job
