#include "pgeist/transfer/replay/replayer.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cut_in_two.hpp"
#include "keeper.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/copy/bad_row.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/replay/bad_key.hpp"
#include "pgeist/transfer/shared/in_snapshot.hpp"

namespace pgeist::replay {

namespace {

using clock = std::chrono::steady_clock;

/// 8 kB blocks of the log in a batch: some 12,000 rows of a small key, a few hundred milliseconds of work.
constexpr std::int64_t blocks_per_batch = 64;
/// A long log is replayed in segments of so many batches, some 8 MB, between which the number of sessions may change.
constexpr std::int64_t blocks_per_segment = 16 * blocks_per_batch;
/// Sessions that replay may have whatever --workers says, since a growing log is the greater danger, and at most.
constexpr int few_sessions = 4;
constexpr int many_sessions = 16;
/// How much may wait in a pass that nobody waits for.
constexpr auto small_backlog = std::chrono::milliseconds(1000);
constexpr int most_tries = 5;
constexpr double smoothing = 0.3;
/// Replayed rows are dead rows: above this size, when there are more of them than live ones, the log is vacuumed, so
/// that neither a pass nor the last drain under the lock reads all that was ever logged. VACUUM does not hold up the
/// INSERTs of the triggers.
constexpr std::int64_t vacuum_above = 8 << 20;
constexpr std::int64_t log_row_bytes = 40;  // of a small key

bool is_unique_violation(const pg::sql_error& failure) {
    return failure.is(pg::sqlstate::unique_violation) || failure.is(pg::sqlstate::exclusion_violation);
}

/// The server cannot hash the key as dividing it needs: the parts of an array or a row decide that, not its own type.
class cannot_be_shared : public error {
public:
    explicit cannot_be_shared(const std::string& message) : error(exit_code::failed, message) {}
};

[[noreturn]] void throw_does_not_fit(const pg::sql_error& failure, const std::string& key) {
    std::string where = key.empty() ? std::string() : fmt::format(" (the row with {})", key);
    if (!failure.diag().constraint.empty()) {
        where += fmt::format(", constraint {}", display_identifier(failure.diag().constraint));
    }
    throw error(exit_code::failed,
                fmt::format("live data does not fit the new definition{}: {}", where, failure.what()),
                copy::what_to_do(failure));
}

}  // namespace

awaitable<void> prepare_replayer(pg::connection& session, const run::settings& settings) {
    co_await session.execute(
        fmt::format("SET synchronous_commit = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
                    "SET enable_seqscan = off; SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = 0; "
                    "SET statement_timeout = {}",
                    settings.statement_timeout.count()));
}

awaitable<void> delete_rows(pg::connection& session, const transfer::spec& transfer, selection rows) {
    constexpr std::int64_t blocks_at_once = 4096;  // a few hundred thousand keys
    if (rows.within) {
        co_await session.query(delete_sql(transfer, rows));
        co_return;
    }
    const qualified_name log = transfer.log();
    const pg::result size = co_await session.query(
        "SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint", log.sql());
    const std::int64_t end = size.integer(0, 0);
    for (std::int64_t first = 0; first < end; first += blocks_at_once) {
        selection part = rows;
        part.within = selection::block_range{first, first + blocks_at_once};
        co_await session.query(delete_sql(transfer, part));
    }
}

awaitable<std::int64_t> apply(pg::connection& session, const transfer::spec& transfer, selection rows) {
    if (transfer.sets_apart) {
        const std::int64_t taken = co_await apply_keeping(session, transfer, rows);
        co_return taken;
    }
    co_await delete_rows(session, transfer, rows);
    co_await session.query(insert_sql(transfer, rows));
    const pg::result forgotten = co_await session.query(forget_sql(transfer, rows));
    co_return forgotten.affected();
}

replayer::replayer(transfer::workspace& work, int sessions) : work_(&work), backlog_(sessions) {}

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
        const auto application = [&] { return apply(session, work_->transfer, rows); };
        try {
            taken = co_await transfer::in_snapshot(session, *work_, application);
        } catch (const pg::sql_error& error) {
            sql_failure = error;
            failure = std::current_exception();
        } catch (const cut_in_two&) {
            throw;
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) {
            measured(taken, clock::now() - started);
            co_return taken;
        }
        if (sql_failure && is_unique_violation(*sql_failure)) {
            throw cut_in_two(sql_failure->what());
        }
        if (sql_failure && sql_failure->is(pg::sqlstate::undefined_function) && rows.part.count > 1) {
            throw cannot_be_shared(sql_failure->what());
        }
        if (sql_failure && sql_failure->blames_data()) {
            const std::string key = co_await find_bad_key(session, work_->transfer, rows);
            throw_does_not_fit(*sql_failure, key);
        }
        if (!sql_failure || !sql_failure->retryable() || sql_failure->poisons_connection()) {
            break;
        }
        if (tries == most_tries && rows.part.count > 1 && sql_failure->in_class("40")) {
            throw cut_in_two(sql_failure->what());  // the shares are in each other's way
        }
        co_await pg::sleep_for(std::chrono::milliseconds(20 * tries));
    }
    std::rethrow_exception(failure);
}

awaitable<void> replayer::share_of_segment(segment& part, int number, pg::connection& session) {
    co_await prepare_replayer(session, work_->settings);
    std::int64_t rows_before = 0;
    std::chrono::nanoseconds took{0};
    std::int64_t next = part.first;
    while (next < part.last) {
        co_await work_->limiter.before_batch(rows_before, took);
        selection rows;
        rows.part.number = number;
        rows.part.count = part.sessions;
        rows.within.emplace();
        rows.within->first = next;
        // What is too little for a batch of its own goes with the last one.
        next = part.last - next < 2 * blocks_per_batch ? part.last : next + blocks_per_batch;
        rows.within->last = next;
        const auto started = clock::now();
        const std::int64_t now = co_await batch(session, rows);
        took = clock::now() - started;
        rows_before = now;
        part.taken += now;
        work_->progress.log_pending = std::max<std::int64_t>(0, work_->progress.log_pending - now);
    }
}

/// As many sessions as `part` wants, or as are to be had: that the server has no more to give, for this role or at
/// all, is no reason to stop the one that there is.
awaitable<std::vector<pg::pool::lease>> replayer::sessions_for(segment& part) {
    std::vector<pg::pool::lease> sessions;
    bool refused = false;
    while (static_cast<int>(sessions.size()) < part.sessions && !refused) {
        try {
            auto one = co_await work_->pool.acquire();
            sessions.push_back(std::move(one));
        } catch (const pg::sql_error&) {
            if (sessions.empty()) {
                throw;
            }
            refused = true;
        }
    }
    part.sessions = static_cast<int>(sessions.size());
    co_return sessions;
}

awaitable<void> replayer::share_out(segment& part) {
    const std::vector<pg::pool::lease> sessions = co_await sessions_for(part);
    std::vector<awaitable<void>> shares;
    for (int number = 0; number < part.sessions; ++number) {
        shares.push_back(share_of_segment(part, number, *sessions[static_cast<std::size_t>(number)]));
    }
    co_await pg::run_all(std::move(shares));
}

/// @returns false when it was given up because it cut dependent changes in two.
awaitable<bool> replayer::replay_segment(segment& part) {
    bool whole = true;
    bool again = true;
    while (again) {
        again = false;
        try {
            co_await share_out(part);
        } catch (const cut_in_two&) {
            whole = false;
        } catch (const cannot_be_shared&) {
            can_be_shared_ = false;
            part.sessions = 1;
            again = true;
        }
    }
    co_return whole;
}

awaitable<log_look> replayer::look() {
    const auto session = co_await work_->pool.acquire();
    const std::int64_t truncated = co_await capture::truncations(*session, work_->transfer);
    if (truncated > 0) {
        throw transfer::source_truncated();
    }
    const log_look now = co_await look_at_log(*session, work_->transfer);
    co_return now;
}

int replayer::most_sessions() const noexcept {
    const bool shared = work_->transfer.key.hashable && can_be_shared_;
    return shared ? std::clamp(work_->settings.workers, few_sessions, many_sessions) : 1;
}

std::string replayer::why_stuck() const {
    std::string why = describe_stuck(backlog_, work_->progress.log_pending, most_sessions(),
                                     work_->progress.throttled.value_or(""), work_->job);
    const std::int64_t live = work_->progress.log_pending * log_row_bytes;
    if (bytes_after_vacuum_ > vacuum_above && bytes_after_vacuum_ > 4 * live) {
        why += fmt::format(
            ". Most of the change log's {} are rows replayed already, which VACUUM may not remove while somebody might "
            "see them, and which every pass reads: look for old transactions in pg_stat_activity and "
            "pg_prepared_xacts, an old xmin in pg_replication_slots, and standbys with hot_standby_feedback",
            format_size(bytes_after_vacuum_));
    }
    return why;
}

void replayer::look_at_backlog(std::int64_t left, std::int64_t taken, std::chrono::milliseconds small) {
    work_->progress.log_pending = left;
    backlog_watch::look now;
    now.left = left;
    now.taken = taken;
    now.small = rows_within(small);
    now.most = most_sessions();
    now.at = clock::now();
    if (backlog_.add(now)) {
        work_->observer.message(report::level::warning, why_stuck());
    }
}

awaitable<std::int64_t> replayer::pass() {
    const std::int64_t taken = co_await pass(small_backlog);
    co_return taken;
}

awaitable<std::int64_t> replayer::pass(std::chrono::milliseconds small) {
    // What was replayed before and cannot be removed yet stands mostly in front; it is not read batch by batch.
    const log_look found = co_await look();
    std::int64_t end = found.blocks;
    if (found.rows == 0) {
        look_at_backlog(0, 0, small);
        end = 0;
    }
    std::int64_t taken = 0;
    bool whole = true;
    for (std::int64_t first = found.first_block; first < end && whole; first += blocks_per_segment) {
        segment part;
        part.first = first;
        part.last = std::min(first + blocks_per_segment, end);
        part.sessions = std::min(backlog_.workers(), most_sessions());
        if (part.last == end) {
            part.last += blocks_per_batch;  // what came in behind it meanwhile
        }
        whole = co_await replay_segment(part);
        std::int64_t now = part.taken;
        if (!whole) {
            const std::int64_t rest = co_await whole_log();
            now += rest;
        }
        const std::int64_t left = co_await pending();
        look_at_backlog(left, now, small);
        taken += now;
    }
    taken_since_vacuum_ += taken;
    co_await vacuum_log();
    co_return taken;
}

awaitable<std::int64_t> replayer::whole_log() {
    const auto session = co_await work_->pool.acquire();
    co_await prepare_replayer(*session, work_->settings);
    const std::int64_t truncated = co_await capture::truncations(*session, work_->transfer);
    if (truncated > 0) {
        throw transfer::source_truncated();
    }
    const selection all;
    std::int64_t taken = 0;
    std::string violation;
    try {
        taken = co_await batch(*session, all);
    } catch (const cut_in_two& failure) {
        violation = failure.what();
    }
    if (!violation.empty()) {
        const std::int64_t since = co_await capture::truncations(*session, work_->transfer);
        if (since > 0) {
            throw transfer::source_truncated();
        }
        throw error(exit_code::failed, fmt::format("live data violates the new definition: {}", violation),
                    fmt::format("the source table is untouched; mend the rows or the change; {}",
                                transfer::what_next(work_->transfer)));
    }
    co_return taken;
}

awaitable<bool> replayer::at_consistent_point() {
    const auto session = co_await work_->pool.acquire();
    std::string sql = fmt::format("SELECT NOT EXISTS (SELECT FROM {}) AND NOT EXISTS (SELECT FROM {})",
                                  work_->transfer.log().sql(), work_->transfer.truncations().sql());
    const pg::result row = co_await session->query(std::move(sql));
    co_return row.boolean(0, 0);
}

awaitable<void> replayer::reach_consistent_point() { co_await whole_log(); }

awaitable<std::int64_t> replayer::pending() {
    const auto session = co_await work_->pool.acquire();
    const log_look now = co_await look_at_log(*session, work_->transfer);
    co_return now.rows;
}

awaitable<void> replayer::vacuum_log() {
    const std::int64_t dead = taken_since_vacuum_ * log_row_bytes;
    const std::int64_t live = work_->progress.log_pending * log_row_bytes;
    // The last: under an old snapshot VACUUM removes nothing, and must not be asked again and again.
    if (dead < vacuum_above || dead < live || dead < bytes_after_vacuum_ / 4) {
        co_return;
    }
    co_await vacuum();
}

awaitable<void> replayer::vacuum() {
    taken_since_vacuum_ = 0;
    const auto session = co_await work_->pool.acquire();
    co_await session->execute("VACUUM " + work_->transfer.log().sql());
    if (work_->transfer.sets_apart) {
        co_await session->execute("VACUUM " + work_->transfer.batch().sql());
    }
    if (work_->transfer.mode == transfer::replay_mode::keep) {
        co_await session->execute("VACUUM " + work_->transfer.links().sql());
        // Births whose transaction has no link that could be seen: both are seen at once, or neither.
        const std::string births = work_->transfer.births().sql();
        co_await session->execute(fmt::format("DELETE FROM {} WHERE transaction NOT IN (SELECT transaction FROM {})",
                                              births, work_->transfer.links().sql()));
        co_await session->execute("VACUUM " + births);
    }
    bytes_after_vacuum_ = co_await capture::log_bytes(*session, work_->transfer);
}

void replayer::log_was_changed() noexcept {
    taken_since_vacuum_ = 0;
    bytes_after_vacuum_ = 0;
}

awaitable<void> replayer::catch_up(std::chrono::milliseconds budget) {
    backlog_.begin_anew();
    work_->progress.log_pending = co_await pending();
    bool done = false;
    while (!done) {
        co_await pass(budget);
        done = work_->progress.log_pending <= rows_within(budget);
        if (!done && backlog_.all_tried() && backlog_.stuck_for(clock::now()) >= work_->settings.swap_max_wait) {
            throw error(exit_code::failed, why_stuck(),
                        fmt::format("nothing was swapped, the source table is untouched; go on at a quieter time with: "
                                    "pgeist resume {}",
                                    work_->job));
        }
    }
}

}  // namespace pgeist::replay
