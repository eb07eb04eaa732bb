#include "pgeist/throttle/other_sessions.hpp"

#include <numeric>

namespace pgeist::throttle {

namespace {

constexpr std::chrono::seconds sessions_averaged_over{2};
constexpr std::chrono::seconds patience{3};  // on the session that shows that the run lives

constexpr const char* at_work_sql = R"(
SELECT pg_catalog.count(*)
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_type = 'client backend' AND a.application_name NOT LIKE 'pgeist%'
  AND (a.state = 'active' OR a.state_change > pg_catalog.clock_timestamp() - interval '100 milliseconds')
  AND a.wait_event_type IS DISTINCT FROM 'Lock'
)";

}  // namespace

void other_sessions::seen(time_point at, int sessions) {
    samples_.push_back(sample{at, sessions});
    while (samples_.front().at <= at - sessions_averaged_over) {
        samples_.pop_front();
    }
}

bool other_sessions::present() const {
    const auto sum = std::accumulate(samples_.begin(), samples_.end(), 0,
                                     [](int so_far, const sample& each) { return so_far + each.sessions; });
    return 2 * static_cast<std::size_t>(sum) > samples_.size();
}

awaitable<int> sessions_at_work(pg::connection& session) {
    const pg::result row = co_await session.query(deadline::in(patience), at_work_sql);
    co_return static_cast<int>(row.integer(0, 0));
}

}  // namespace pgeist::throttle
