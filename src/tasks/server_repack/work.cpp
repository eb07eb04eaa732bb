#include "work.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/steps/store.hpp"
#include "pgeist/swap/old_snapshots.hpp"
#include "pgeist/watch/statement_watch.hpp"

namespace pgeist::server_repack {

namespace {

using clock = deadline::clock;

/// All of its work is lost each time.
constexpr int most_starts = 5;
constexpr auto rest = std::chrono::seconds(1);
constexpr auto poll = std::chrono::milliseconds(100);
constexpr auto between_looks = std::chrono::milliseconds(50);
constexpr auto before_force = std::chrono::seconds(3);

/// Its last lock was waited for as long as others may be kept waiting behind it.
class lock_not_had : public error {
public:
    explicit lock_not_had(const std::string& who) : error(exit_code::lock_not_obtained, who) {}
};

// Begins by waiting for every transaction that has written anything.
constexpr const char* writers_sql = R"sql(
    SELECT a.pid, coalesce(a.usename, '?') AS usename, coalesce(a.application_name, '') AS application_name,
           coalesce(a.state, '?') AS state, left(regexp_replace(coalesce(a.query, ''), '\s+', ' ', 'g'), 200) AS query,
           coalesce(extract(epoch FROM clock_timestamp() - a.xact_start) * 1000, 0)::bigint AS age
      FROM pg_stat_activity a
     WHERE a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()
       AND a.xact_start < clock_timestamp() - make_interval(secs => $1::float8 / 1000)
     ORDER BY a.xact_start)sql";

constexpr const char* progress_sql = R"sql(
    SELECT p.phase, coalesce(p.heap_blks_total, 0) AS blocks_total, coalesce(p.heap_blks_scanned, 0) AS blocks_done,
           EXISTS (SELECT FROM pg_locks l WHERE l.pid = $1 AND NOT l.granted AND l.locktype = 'relation'
                      AND l.mode = 'AccessExclusiveLock') AS wants_last_lock
      FROM pg_stat_progress_repack p WHERE p.pid = $1)sql";

std::vector<report::blocker> writers_from(const pg::result& rows) {
    std::vector<report::blocker> all;
    for (int row = 0; row < rows.rows(); ++row) {
        report::blocker one;
        one.pid = static_cast<int>(rows.integer(row, "pid"));
        one.user = rows.text(row, "usename");
        one.application = rows.text(row, "application_name");
        one.state = rows.text(row, "state");
        one.query = rows.text(row, "query");
        one.age = report::milliseconds(rows.integer(row, "age"));
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : kind_(&kind),
      with_(with),
      mine_{job.id, job.incarnation},
      plan_(reindex::plan_from_json(*job.plan)),
      removal_(with.observer),
      began_waiting_(clock::now()) {}

awaitable<void> work::begin(const task::phase&) { co_return; }

awaitable<std::int64_t> work::done_before(const task::phase&) { co_return 0; }

awaitable<void> work::watch(pg::connection&, const task::phase&) { co_return; }

awaitable<void> work::compare() { co_return; }

void work::tell(const char* state) const {
    report::step_event now;
    now.number = 1;
    now.of = 1;
    now.statement = "REPACK (CONCURRENTLY) " + plan_.table.display();
    now.method = steps::word_of(steps::method::server);
    now.state = state;
    with_.observer.step_changed(now);
}

/// A process that was killed leaves the server at it, which may have come to its end.
awaitable<bool> work::is_done_already() {
    const auto session = co_await with_.pool.acquire();
    const bool resumed = mine_.incarnation > 1;
    const pg::result row =
        co_await session->query("SELECT coalesce(pg_relation_filenode($1::bigint::oid), 0)::bigint", plan_.source_oid);
    if (row.integer(0, 0) == 0) {
        throw error(exit_code::failed, fmt::format("{} does not exist any more", plan_.table.display()),
                    "remove the job with: pgeist cleanup JOB");
    }
    co_return resumed&& row.integer(0, 0) != plan_.file;
}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    const bool done = co_await is_done_already();
    if (!done) {
        co_await note_begun();
        tell("started");
    }
    for (int start = 1; !done; ++start) {
        co_await wait_for_others();
        const auto failed = co_await attempt();
        if (!failed) {
            break;
        }
        if (start >= most_starts) {
            throw error(exit_code::lock_not_obtained,
                        fmt::format("the server has begun {} times and given all of it up again: {}", start, *failed),
                        "end what is in the way, allow more with --lock-timeout, or repack by a copy; then go on with: "
                        "pgeist resume JOB");
        }
        with_.observer.message(report::level::warning,
                               fmt::format("start {} of {} was given up: {}", start, most_starts, *failed));
        co_await pg::sleep_for(rest * start);
    }
    co_await note_done();
    tell("done");
    co_return &kind_->next(now);
}

awaitable<bool> work::is_free(pg::connection& session) {
    auto snapshots = co_await swap::old_snapshots::taken_now(session);
    while (true) {
        std::vector<report::blocker> held;
        if (!with_.chosen.ignore_old_snapshots) {
            held = co_await snapshots.still_held(session);
        }
        const pg::result rows = co_await session.query(writers_sql, with_.chosen.lock_timeout.count());
        const std::vector<report::blocker> writers = writers_from(rows);
        held.insert(held.end(), writers.begin(), writers.end());
        if (held.empty()) {
            co_return true;
        }
        if (with_.steering.holds_back()) {
            co_return false;
        }
        const auto waited = clock::now() - began_waiting_;
        if (waited >= with_.chosen.swap_max_wait) {
            throw error(exit_code::lock_not_obtained,
                        fmt::format("REPACK (CONCURRENTLY) would meet a transaction that is still open: {}",
                                    lock::describe(held.front())),
                        "end it, or raise --swap-max-wait; then go on with: pgeist resume JOB");
        }
        with_.progress.detail = "waiting for " + lock::describe(held.front());
        if (filter_.worth_a_line(held, clock::now())) {
            with_.observer.lock_waited(0, std::chrono::duration_cast<report::milliseconds>(waited), held);
        }
        if (waited >= before_force) {
            co_await removal_.remove(session, held, with_.chosen.blocked);
        }
        co_await pg::sleep_for(poll);
    }
}

awaitable<void> work::wait_for_others() {
    const auto session = co_await with_.pool.acquire();
    began_waiting_ = clock::now();
    bool ready = false;
    while (!ready) {
        co_await with_.steering.before_chunk(0, std::chrono::nanoseconds(0));
        ready = co_await is_free(*session);
    }
    with_.progress.detail.clear();
    with_.progress.blocked_by.clear();
}

/// The server ends it by itself when this program is gone, and when nobody watches any more: then others have waited
/// longer than they should, but not for ever.
awaitable<void> work::run_statement(pg::connection& session) {
    const auto last_resort =
        std::max<std::chrono::milliseconds>(10 * with_.chosen.lock_timeout, std::chrono::seconds(5));
    co_await session.execute(
        fmt::format("SET statement_timeout = 0; SET lock_timeout = {}; SET client_connection_check_interval = '1s'",
                    last_resort.count()));
    if (with_.chosen.maintenance_work_mem) {
        co_await session.execute(
            fmt::format("SET maintenance_work_mem = '{}kB'", *with_.chosen.maintenance_work_mem / 1024));
    }
    co_await session.execute(deadline::never(), "REPACK (CONCURRENTLY) " + plan_.table.sql());
}

awaitable<void> work::look(pg::connection& session, int pid) {
    const pg::result row = co_await session.query(progress_sql, pid);
    if (row.empty()) {
        co_return;
    }
    report::server_figures figures;
    figures.phase = row.text(0, "phase");
    const std::int64_t total = row.integer(0, "blocks_total");
    figures.percent =
        total > 0 ? 100.0 * static_cast<double>(row.integer(0, "blocks_done")) / static_cast<double>(total) : 0;
    with_.progress.server = std::move(figures);
    const watch::look now = co_await watch::look_at(session, pid);
    if (!row.boolean(0, "wants_last_lock")) {
        asked_for_lock_.reset();
        co_return;
    }
    asked_for_lock_ = asked_for_lock_.value_or(clock::now());
    const auto waited = clock::now() - *asked_for_lock_;
    if (!now.blockers.empty()) {
        in_the_way_ = lock::describe(now.blockers.front());
    }
    if (waited >= with_.chosen.lock_timeout || now.in_a_circle) {
        with_.observer.lock_waited(1, std::chrono::duration_cast<report::milliseconds>(waited), now.blockers);
        throw lock_not_had("its last lock was not to be had" + (in_the_way_.empty() ? "" : ": " + in_the_way_));
    }
}

/// Until it is cancelled.
awaitable<void> work::keep_watch(int pid) {
    const auto session = co_await with_.pool.acquire();
    asked_for_lock_.reset();
    in_the_way_.clear();
    while (true) {
        co_await pg::sleep_for(between_looks);
        try {
            co_await look(*session, pid);
        } catch (const pg::sql_error& failure) {
            if (failure.poisons_connection() || !failure.passing()) {
                throw;
            }
        }
    }
}

awaitable<std::optional<std::string>> work::attempt() {
    const auto session = co_await with_.pool.open_own(job::session_name(mine_.job));
    std::vector<awaitable<void>> beside;
    beside.push_back(keep_watch(session->backend_pid()));
    std::optional<std::string> failed;
    try {
        co_await pg::run_beside(run_statement(*session), std::move(beside));
    } catch (const lock_not_had& problem) {
        failed = problem.what();
    } catch (const pg::sql_error& problem) {
        const bool passing =
            problem.is(pg::sqlstate::lock_not_available) || problem.is(pg::sqlstate::deadlock_detected);
        if (!passing || problem.poisons_connection()) {
            throw;
        }
        failed = problem.what();
    }
    with_.progress.server.reset();
    co_return failed;
}

awaitable<void> work::note_begun() {
    const auto session = co_await with_.pool.acquire();
    const auto saving = [&] { return steps::save_progress(*session, mine_, 1, steps::state::started, 0); };
    co_await pg::transaction(*session, pg::isolation::read_committed, saving);
}

awaitable<void> work::note_done() {
    const auto session = co_await with_.pool.acquire();
    const pg::result row = co_await session->query(
        "SELECT coalesce(pg_total_relation_size($1::bigint::oid), 0)::bigint", plan_.source_oid);
    const auto saving = [&] { return steps::save_progress(*session, mine_, 1, steps::state::done, 1, ""); };
    co_await pg::transaction(*session, pg::isolation::read_committed, saving);
    with_.observer.message(report::level::info, fmt::format("{} took {} before and takes {} now", plan_.table.display(),
                                                            format_size(plan_.bytes), format_size(row.integer(0, 0))));
}

}  // namespace pgeist::server_repack
