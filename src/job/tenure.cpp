#include "pgeist/job/tenure.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/process.hpp"
#include "pgeist/job/state_trust.hpp"
#include "rows.hpp"

namespace pgeist::job {

awaitable<void> require_tenure(pg::connection& session, tenure mine) {
    bool ours = false;
    try {
        if (mine.guarded) {
            static_cast<void>(co_await guard_state(session));
        }
        const pg::result row = co_await session.query(
            "SELECT FROM pgeist.jobs WHERE id = $1 AND incarnation = $2 FOR KEY SHARE", mine.job, mine.incarnation);
        ours = !row.empty();
    } catch (const pg::sql_error& failure) {
        // Under REPEATABLE READ: the number was counted up, or the row deleted, after the snapshot.
        if (!failure.is(pg::sqlstate::serialization_failure) && !is_state_gone(failure)) {
            throw;
        }
    }
    if (!ours) {
        throw_not_ours(mine.job);
    }
}

awaitable<tenure> begin_tenure(pg::connection& session, std::int64_t job, requests what) {
    // The count of requests goes on, so that nobody takes the answer to a later one for his own.
    const std::string count = "coalesce((control ->> 'number')::bigint, 0)";
    const std::string forget =
        fmt::format(", control = jsonb_build_object('number', {0}, 'obeyed', {0}, 'forgotten', {0})", count);
    std::string sql =
        "UPDATE pgeist.jobs SET incarnation = incarnation + 1, updated_at = clock_timestamp(), process = "
        "nullif($2, '')";
    if (what == requests::forget) {
        sql += forget;
    }
    sql += " WHERE id = $1 RETURNING incarnation";
    pg::result row;
    try {
        row = co_await session.query(std::move(sql), job, this_process());
    } catch (const pg::sql_error& failure) {
        if (!is_state_gone(failure)) {
            throw;
        }
    }
    if (row.empty()) {
        throw_not_ours(job);
    }
    tenure mine{job, row.integer(0, 0)};
    co_return mine;
}

}  // namespace pgeist::job
