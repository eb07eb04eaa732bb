#include "pgeist/replay/replayer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/capture/capture.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/replay/bad_key.hpp"

namespace pgeist::replay {

namespace {

using clock = std::chrono::steady_clock;

/// 8 kB blocks of the log in a batch: some 12,000 rows of a small key, a few hundred milliseconds of work.
constexpr std::int64_t blocks_per_batch = 64;
constexpr int most_workers = 4;
constexpr int most_tries = 5;
/// Passes in which the backlog did not shrink before the run says that it does not converge.
constexpr int hopeless_passes = 60;
constexpr double smoothing = 0.3;
/// Replayed rows are dead rows: above this size, when most of the log is dead, it is vacuumed, so that neither a pass
/// nor the last drain under the lock reads all that was ever logged. VACUUM does not hold up the INSERTs of the
/// triggers.
constexpr std::int64_t vacuum_above = 8 << 20;
constexpr std::int64_t log_row_bytes = 64;

bool is_unique_violation(const pg::sql_error& failure) {
    return failure.is(pg::sqlstate::unique_violation) || failure.is(pg::sqlstate::exclusion_violation);
}

/// A batch cut a set of dependent changes in two: to be repeated with the whole visible log.
class cut_in_two : public error {
public:
    explicit cut_in_two(const std::string& message) : error(exit_code::failed, message) {}
};

[[noreturn]] void throw_does_not_fit(const pg::sql_error& failure, const std::string& key) {
    std::string where = key.empty() ? std::string() : fmt::format(" (the row with {})", key);
    if (!failure.diag().constraint.empty()) {
        where += fmt::format(", constraint {}", display_identifier(failure.diag().constraint));
    }
    throw error(exit_code::failed,
                fmt::format("live data does not fit the new definition{}: {}", where, failure.what()),
                "the source table is untouched; mend the rows or the change, remove this job with: pgeist cleanup, and "
                "run again");
}

}  // namespace

awaitable<void> prepare_replayer(pg::connection& session, const run::settings& settings) {
    co_await session.execute(
        fmt::format("SET synchronous_commit = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
                    "SET max_parallel_workers_per_gather = 0; SET statement_timeout = {}",
                    settings.statement_timeout.count()));
}

awaitable<std::int64_t> apply(pg::connection& session, const plan::blueprint& plan, selection rows) {
    co_await session.query(delete_sql(plan, rows));
    co_await session.query(insert_sql(plan, rows));
    const pg::result forgotten = co_await session.query(forget_sql(plan, rows));
    co_return forgotten.affected();
}

replayer::replayer(job::workspace& work) : work_(&work) {}

void replayer::measured(std::int64_t rows, std::chrono::nanoseconds took) noexcept {
    if (rows < 500) {
        return;  // mostly round trips
    }
    const double rate = static_cast<double>(rows) / std::max(1e-6, std::chrono::duration<double>(took).count());
    rows_per_second_ += smoothing * (rate - rows_per_second_);
}

std::int64_t replayer::rows_within(std::chrono::milliseconds time) const noexcept {
    return static_cast<std::int64_t>(rows_per_second_ * static_cast<double>(time.count()) / 1000);
}

awaitable<std::int64_t> replayer::batch(pg::connection& session, selection rows) {
    std::exception_ptr failure;
    for (int tries = 1; tries <= most_tries; ++tries) {
        failure = nullptr;
        std::optional<pg::sql_error> sql_failure;
        std::int64_t taken = 0;
        const auto started = clock::now();
        try {
            co_await session.begin(pg::isolation::repeatable_read);
            co_await job::require_tenure(session, work_->tenure());
            taken = co_await apply(session, work_->plan, rows);
            co_await session.commit();
        } catch (const pg::sql_error& error) {
            sql_failure = error;
            failure = std::current_exception();
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) {
            measured(taken, clock::now() - started);
            co_return taken;
        }
        co_await session.rollback();
        if (sql_failure && is_unique_violation(*sql_failure)) {
            throw cut_in_two(sql_failure->what());
        }
        if (sql_failure && sql_failure->blames_data()) {
            const std::string key = co_await find_bad_key(session, work_->plan, rows);
            throw_does_not_fit(*sql_failure, key);
        }
        if (!sql_failure || !sql_failure->retryable() || sql_failure->poisons_connection()) {
            break;
        }
        co_await pg::sleep_for(std::chrono::milliseconds(20 * tries));
    }
    std::rethrow_exception(failure);
}

awaitable<void> replayer::part_of_pass(int number, int count, std::int64_t blocks, std::int64_t& taken) {
    const auto session = co_await work_->pool.acquire();
    co_await prepare_replayer(*session, work_->settings);
    std::int64_t rows_before = 0;
    std::chrono::nanoseconds took{0};
    for (std::int64_t first = 0; first < blocks; first += blocks_per_batch) {
        co_await work_->brake.before_batch(rows_before, took);
        selection rows;
        rows.part.number = number;
        rows.part.count = count;
        rows.within.emplace();
        rows.within->first = first;
        // The last batch takes what came in behind it as well.
        rows.within->last = first + blocks_per_batch >= blocks ? blocks + blocks_per_batch : first + blocks_per_batch;
        const auto started = clock::now();
        const std::int64_t now = co_await batch(*session, rows);
        took = clock::now() - started;
        rows_before = now;
        taken += now;
        work_->progress.log_pending = std::max<std::int64_t>(0, work_->progress.log_pending - now);
    }
}

awaitable<std::int64_t> replayer::pass() {
    std::int64_t blocks = 0;
    {
        const auto session = co_await work_->pool.acquire();
        const std::int64_t truncated = co_await capture::truncations(*session, work_->plan);
        if (truncated > 0) {
            throw job::source_truncated();
        }
        const pg::result size = co_await session->query(
            "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint",
            quote_identifier(work_->plan.job_schema) + ".pgeist_log");
        blocks = size.integer(0, 0);
    }
    std::int64_t taken = 0;
    bool cut = false;
    try {
        std::vector<awaitable<void>> parts;
        const int count = work_->plan.key.hashable ? workers_ : 1;
        for (int number = 0; number < count; ++number) {
            parts.push_back(part_of_pass(number, count, blocks, taken));
        }
        co_await pg::run_all(std::move(parts));
    } catch (const cut_in_two&) {
        cut = true;
    }
    if (cut) {
        co_await reach_consistent_point();
    }
    co_return taken;
}

awaitable<void> replayer::reach_consistent_point() {
    const auto session = co_await work_->pool.acquire();
    co_await prepare_replayer(*session, work_->settings);
    const std::int64_t truncated = co_await capture::truncations(*session, work_->plan);
    if (truncated > 0) {
        throw job::source_truncated();
    }
    const selection whole_log;
    std::string violation;
    try {
        co_await batch(*session, whole_log);
    } catch (const cut_in_two& failure) {
        violation = failure.what();
    }
    if (!violation.empty()) {
        const std::int64_t since = co_await capture::truncations(*session, work_->plan);
        if (since > 0) {
            throw job::source_truncated();
        }
        throw error(exit_code::failed, fmt::format("live data violates the new definition: {}", violation),
                    "the source table is untouched; mend the rows or the change, remove this job with: pgeist cleanup, "
                    "and run again");
    }
}

awaitable<std::int64_t> replayer::pending() {
    const auto session = co_await work_->pool.acquire();
    std::string sql = fmt::format("SELECT count(*) FROM {}.pgeist_log", quote_identifier(work_->plan.job_schema));
    const pg::result row = co_await session->query(std::move(sql));
    co_return row.integer(0, 0);
}

awaitable<void> replayer::vacuum_log(std::int64_t left) {
    const auto session = co_await work_->pool.acquire();
    const std::int64_t bytes = co_await capture::log_bytes(*session, work_->plan);
    if (bytes > vacuum_above && left * log_row_bytes < bytes / 4) {
        co_await session->execute(fmt::format("VACUUM {}.pgeist_log", quote_identifier(work_->plan.job_schema)));
    }
}

awaitable<void> replayer::catch_up(std::chrono::milliseconds budget) {
    std::int64_t before = co_await pending();
    const std::int64_t at_start = before;
    int not_shrinking = 0;
    while (true) {
        work_->progress.log_pending = before;
        co_await pass();
        const std::int64_t left = co_await pending();
        work_->progress.log_pending = left;
        co_await vacuum_log(left);
        if (left <= rows_within(budget)) {
            co_return;
        }
        if (left < before * 9 / 10) {
            not_shrinking = 0;
        } else {
            ++not_shrinking;
            workers_ = std::min(workers_ + 1, most_workers);
        }
        if (not_shrinking >= hopeless_passes) {
            throw error(
                exit_code::failed,
                fmt::format(
                    "replay does not converge: {} changes were waiting at first, {} are now, at {} changes per second",
                    format_count(at_start), format_count(left), format_count(rows_within(std::chrono::seconds(1)))),
                "the writers are faster than replay: slow them down or wait for a quieter time, then go on with: "
                "pgeist resume JOB");
        }
        before = left;
    }
}

}  // namespace pgeist::replay
