#include "pgeist/supervise/disconnected_runs.hpp"

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/process.hpp"
#include "pgeist/job/record.hpp"

namespace pgeist::supervise {

awaitable<std::vector<disconnected_run>> find_disconnected(pg::connection& session, std::optional<std::int64_t> job) {
    const pg::result rows = co_await session.query(
        "SELECT j.id, coalesce(to_jsonb(j) ->> 'process', '') AS process, j.silent, j.patience FROM (SELECT *, "
        "(extract(epoch FROM clock_timestamp() - updated_at) * 1000)::bigint AS silent, "
        "coalesce((settings ->> 'reconnect_max_ms')::bigint, 0) AS patience FROM pgeist.jobs) j "
        "WHERE j.state IN ('running', 'paused', 'throttled', 'waiting_for_swap') AND j.silent < j.patience "
        "AND ($1::bigint IS NULL OR j.id = $1) AND NOT " +
            job::held_condition("j.id") + " AND NOT " + job::restored_condition("j") + " ORDER BY j.id",
        job);
    std::vector<disconnected_run> found;
    for (int row = 0; row < rows.rows(); ++row) {
        if (job::find_process(rows.text(row, "process")) != job::presence::ended) {
            disconnected_run each;
            each.job = rows.integer(row, "id");
            each.silent = std::chrono::milliseconds(rows.integer(row, "silent"));
            each.patience = std::chrono::milliseconds(rows.integer(row, "patience"));
            found.push_back(each);
        }
    }
    co_return found;
}

}  // namespace pgeist::supervise
