#include "chunk.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bad_row.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/read_side.hpp"

namespace pgeist::fill {

namespace {

using clock = deadline::clock;

constexpr int most_tries = 5;  // of a chunk that meets a passing trouble other than a lock
constexpr auto longest_pause = std::chrono::milliseconds(1000);

/// Before a chunk. Who waits for a row of the chunk's and has what the chunk waits for began at most a chunk's time
/// ago: with a timeout far below the time after which the server looks for deadlocks ours ends before that, and a
/// deadlock is never an error of the application's.
std::string before_sql(const workspace& work) {
    return fmt::format(
        "SELECT {} AS hot, set_config('lock_timeout', least({}, (SELECT setting::bigint / 10 FROM pg_settings "
        "WHERE "
        "name = 'deadlock_timeout'))::text, true)",
        hot_updates(work.spec), work.settings.lock_timeout.count());
}

awaitable<chunk_result> write_rows(workspace& work, pg::connection& session, const walk::key_range& range,
                                   locked_rows how, const std::optional<checkpoint>& as) {
    const pg::result before = co_await session.query(before_sql(work));
    chunk_result out;
    walk::bound_sql sql = statements(work.spec).write(range, how);
    const pg::result row = co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
    co_await session.execute(check_deferred);
    out.found = row.integer(0, "found");
    out.written = row.integer(0, "written");
    out.hot = row.integer(0, "hot") - before.integer(0, "hot");
    co_await transfer::require_name(session, work.transfer);
    if (as) {
        job::chunk_counts counts;
        counts.rows = as->rows;
        counts.write_rows = as->with_snapshot ? out.found : out.written;
        counts.checksum = std::to_string(out.hot);
        if (as->with_snapshot) {
            counts.saw = row.text(0, "saw");
        }
        co_await job::save_chunk(session, work.job, as->kind.c_str(), range, counts);
    }
    co_return out;
}

/// Tells who is in the way of the table's lock. @throws error (lock_not_obtained) when --swap-max-wait is over
awaitable<void> tell_blocked(workspace& work, pg::connection& session, clock::time_point since, int tries,
                             std::string problem) {
    lock::target wanted;
    wanted.tables.push_back(work.spec.table);
    wanted.mode = lock::mode::share_row_exclusive;
    const auto blockers = co_await lock::find_blockers(session, wanted, session.backend_pid());
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - since);
    work.observer.lock_waited(tries, waited, blockers);
    if (waited >= work.settings.swap_max_wait) {
        const std::string who = blockers.empty() ? "" : ": " + lock::describe(blockers.front());
        throw error(exit_code::lock_not_obtained,
                    fmt::format("a chunk of {} found no moment within {} ({}){}", work.spec.table.display(),
                                format_duration(work.settings.swap_max_wait), problem, who),
                    fmt::format("chunks that are finished stay as they are; go on with: pgeist resume {}", work.job));
    }
}

}  // namespace

awaitable<std::optional<chunk_result>> write_chunk(workspace& work, pg::connection& session, walk::key_range range,
                                                   locked_rows how, std::optional<checkpoint> as) {
    const auto chunk = [&] { return write_rows(work, session, range, how, as); };
    const auto began = clock::now();
    std::optional<chunk_result> result;
    for (int tries = 1;; ++tries) {
        std::exception_ptr failure;
        std::string blocked;
        bool data_is_bad = false;
        try {
            result = co_await job::in_tenure(session, work.tenure(), pg::isolation::read_committed, chunk);
            co_return result;
        } catch (const pg::sql_error& problem) {
            failure = std::current_exception();
            data_is_bad = problem.blames_data();
            blocked = problem.is(pg::sqlstate::lock_not_available) ? problem.what() : "";
            const bool again = problem.retryable() && !problem.poisons_connection();
            if (!data_is_bad && (!again || (blocked.empty() && tries >= most_tries))) {
                throw;
            }
        }
        if (data_is_bad) {
            co_await throw_bad_row(work, session, range, failure);
        }
        if (!blocked.empty() && how == locked_rows::fail) {
            co_return result;
        }
        if (!blocked.empty() && tries % 5 == 0) {
            co_await tell_blocked(work, session, began, tries, blocked);
        }
        co_await pg::sleep_for(std::min(longest_pause, std::chrono::milliseconds(50 * tries)));
    }
}

}  // namespace pgeist::fill
