#include "pgeist/verify/verifier.hpp"

#include <random>

#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "pgeist/capture/capture.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/crew.hpp"
#include "pgeist/job/in_snapshot.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/verify/verify_sql.hpp"
#include "pgeist/walk/boundary_finder.hpp"
#include "pgeist/walk/chunk_sizer.hpp"

namespace pgeist::verify {

namespace {

using clock = std::chrono::steady_clock;
using range_channel = asio::experimental::channel<void(boost::system::error_code, std::optional<walk::key_range>)>;

constexpr int settle_rounds = 20;
constexpr auto settle_pause = std::chrono::milliseconds(100);

}  // namespace

struct verifier::pipeline {
    range_channel ranges;
    walk::chunk_sizer sizer;
};

verifier::verifier(job::workspace& work, double percent) : work_(&work), percent_(percent) {}

awaitable<void> verifier::prepare(pg::connection& session) {
    co_await session.execute(fmt::format(
        "SET synchronous_commit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET work_mem = '64MB'; "
        "SET max_parallel_workers_per_gather = 0; SET statement_timeout = {}",
        work_->settings.statement_timeout.count()));
}

awaitable<chunk_result> verifier::compare_chunk(pg::connection& session, walk::key_range range) {
    const auto comparison = [&] { return compare_in_snapshot(session, range); };
    chunk_result out = co_await job::in_snapshot(session, *work_, comparison);
    co_return out;
}

/// In the transaction that is open, with its checkpoint.
awaitable<chunk_result> verifier::compare_in_snapshot(pg::connection& session, const walk::key_range& range) {
    const statements sql(work_->plan);
    walk::bound_sql compare = sql.compare(range);
    const pg::result row =
        co_await session.query_params(std::move(compare.sql), std::move(compare.values), deadline::never());
    chunk_result out;
    job::chunk_counts counts;
    counts.rows = out.rows = row.integer(0, "source_rows");
    counts.shadow_rows = row.integer(0, "shadow_rows");
    counts.checksum = row.text(0, "checksum");
    counts.shadow_checksum = row.text(0, "shadow_checksum");
    out.differing = row.integer(0, "differing");
    if (out.differing > 0) {
        walk::bound_sql list = sql.list_differences(range);
        const pg::result keys =
            co_await session.query_params(std::move(list.sql), std::move(list.values), deadline::never());
        for (int at = 0; at < keys.rows(); ++at) {
            std::string key = keys.text(at, 0);
            for (int column = 1; column < keys.columns(); ++column) {
                key += ", " + keys.text(at, column);
            }
            out.unexplained.push_back(std::move(key));
        }
    }
    co_await job::save_chunk(session, work_->job, "verify", range, counts);
    co_return out;
}

awaitable<void> verifier::cut_ranges(pipeline& pipe, walk::finished_ranges finished) {
    const auto session = co_await work_->pool.acquire();
    co_await walk::prepare_for_bounds(*session);
    walk::boundary_finder finder(*session, work_->plan.table, work_->plan.key, walk::gaps(finished));
    std::mt19937 random(std::random_device{}());
    std::uniform_real_distribution<double> percent(0, 100);
    const boost::system::error_code none;
    bool first = true;
    while (true) {
        auto range = co_await finder.next(pipe.sizer.next());
        if (!range) {
            break;
        }
        const bool in_sample = first || percent(random) < percent_;
        first = false;
        if (in_sample) {
            co_await pipe.ranges.async_send(none, std::move(range), asio::use_awaitable);
        }
    }
    std::optional<walk::key_range> end;
    co_await pipe.ranges.async_send(none, std::move(end), asio::use_awaitable);
}

awaitable<void> verifier::compare_ranges(pipeline& pipe, job::crew& crew, int number) {
    const auto session = co_await work_->pool.acquire();
    co_await prepare(*session);
    auto timeout = work_->settings.statement_timeout;
    std::int64_t rows = 0;
    std::chrono::nanoseconds took{0};
    while (!crew.surplus(number)) {
        co_await work_->brake.before_chunk(rows, took);
        auto range = co_await pipe.ranges.async_receive(asio::use_awaitable);
        if (!range) {
            crew.finish();
            const boost::system::error_code none;  // the mark goes on to the next worker
            co_await pipe.ranges.async_send(none, std::move(range), asio::use_awaitable);
            co_return;
        }
        if (timeout != work_->settings.statement_timeout) {
            timeout = work_->settings.statement_timeout;
            co_await prepare(*session);
        }
        const auto started = clock::now();
        const chunk_result compared = co_await compare_chunk(*session, *range);
        took = clock::now() - started;
        rows = compared.rows;
        if (!compared.unexplained.empty()) {
            const std::int64_t truncated = co_await capture::truncations(*session, work_->plan);
            if (truncated > 0) {
                throw job::source_truncated();  // TRUNCATE is not MVCC-safe: the snapshot saw an empty source
            }
            work_->observer.message(
                report::level::warning,
                fmt::format("verification found {} rows that differ, first key {}; copying them again",
                            compared.unexplained.size(), compared.unexplained.front()));
        }
        pipe.sizer.follow(work_->settings.chunk_time, work_->settings.chunk_rows);
        pipe.sizer.measured(rows, took);
        ++found_.chunks;
        found_.rows += rows;
        found_.differences += static_cast<std::int64_t>(compared.unexplained.size());
        work_->progress.rows_done += rows;
        job::note_chunk(work_->progress, rows, took);
    }
}

awaitable<void> verifier::compare_all() {
    job::finished_chunks finished;
    {
        const auto session = co_await work_->pool.acquire();
        finished = co_await job::load_chunks(*session, work_->job, "verify", work_->plan.key);
    }
    found_.chunks = static_cast<std::int64_t>(finished.ranges.size());
    found_.rows = finished.rows;
    work_->progress.rows_done = finished.rows;
    const auto executor = co_await asio::this_coro::executor;
    const auto& settings = work_->settings;
    pipeline pipe{
        range_channel(executor, static_cast<std::size_t>(settings.workers)),
        settings.chunk_rows ? walk::chunk_sizer::fixed(*settings.chunk_rows) : walk::chunk_sizer(settings.chunk_time)};
    std::vector<awaitable<void>> tasks;
    tasks.push_back(cut_ranges(pipe, std::move(finished.ranges)));
    job::crew* members = nullptr;
    const auto member = [&](int number) { return compare_ranges(pipe, *members, number); };
    job::crew crew(*work_, member);
    members = &crew;
    tasks.push_back(crew.run());
    co_await pg::run_all(std::move(tasks));
}

/// In the transaction that is open.
awaitable<verifier::recheck_result> verifier::recheck_in_snapshot(pg::connection& session) {
    const statements sql(work_->plan);
    const pg::result row = co_await session.query(sql.recheck());
    recheck_result out;
    out.failed = row.array(0, "failed");
    found_.differences += row.integer(0, "repaired");
    out.unsettled = row.integer(0, "pending") + row.integer(0, "repaired");
    co_return out;
}

awaitable<bool> verifier::settle_once() {
    const auto session = co_await work_->pool.acquire();
    co_await prepare(*session);
    const auto recheck = [&] { return recheck_in_snapshot(*session); };
    const recheck_result looked = co_await job::in_snapshot(*session, *work_, recheck);
    const std::int64_t truncated = co_await capture::truncations(*session, work_->plan);
    if (truncated > 0) {
        throw job::source_truncated();
    }
    if (!looked.failed.empty()) {
        throw error(exit_code::verification_failed,
                    fmt::format("{} rows still differ after they were copied again; keys: {}", looked.failed.size(),
                                join(looked.failed, "; ")),
                    "nothing was swapped, the source table is untouched; look at these rows in both tables, then: "
                    "pgeist cleanup JOB");
    }
    co_return looked.unsettled == 0;
}

awaitable<void> verifier::settle(replay::replayer& changes) {
    for (int round = 0; round < settle_rounds; ++round) {
        co_await changes.pass();
        const bool settled = co_await settle_once();
        if (settled) {
            break;
        }
        co_await pg::sleep_for(settle_pause);
    }
    found_.repaired = found_.differences;
}

}  // namespace pgeist::verify
