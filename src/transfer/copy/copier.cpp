#include "pgeist/transfer/copy/copier.hpp"

#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/copy/bad_row.hpp"
#include "pgeist/transfer/copy/order.hpp"
#include "pgeist/transfer/copy/transfer_sql.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/shared/worker_pool.hpp"
#include "pgeist/walk/boundary_finder.hpp"
#include "pgeist/walk/chunk_sizer.hpp"
#include "pgeist/walk/heap_order.hpp"
#include "same_file.hpp"

namespace pgeist::copy {

namespace {

using clock = std::chrono::steady_clock;
using range_channel = asio::experimental::channel<void(boost::system::error_code, std::optional<walk::key_range>)>;

constexpr int most_tries = 5;  // of a chunk that met a deadlock or another passing trouble
constexpr auto truncation_check = std::chrono::seconds(2);

struct pipeline {
    transfer::workspace& work;
    range_channel ranges;
    walk::chunk_sizer sizer;
    walk::row_density density;
};

walk::chunk_sizer sizer_for(const run::settings& settings) {
    return settings.chunk_rows ? walk::chunk_sizer::fixed(*settings.chunk_rows)
                               : walk::chunk_sizer(settings.chunk_time);
}

awaitable<void> send(range_channel& ranges, std::optional<walk::key_range> range) {
    const boost::system::error_code none;
    co_await ranges.async_send(none, std::move(range), asio::use_awaitable);
}

awaitable<void> check_truncation(transfer::workspace& work, pg::connection& session) {
    const std::int64_t truncated = co_await capture::truncations(session, work.transfer);
    if (truncated > 0) {
        throw transfer::source_truncated();
    }
}

/// Hands out what `cutter` cuts; at most one range per worker waits in the channel.
template <class Cutter>
awaitable<void> hand_out(pipeline& pipe, pg::connection& session, Cutter& cutter) {
    auto next_check = clock::now() + truncation_check;
    while (true) {
        auto range = co_await cutter.next(pipe.sizer.next());
        if (!range) {
            break;
        }
        co_await send(pipe.ranges, std::move(range));
        if (clock::now() >= next_check) {
            co_await check_truncation(pipe.work, session);
            next_check = clock::now() + truncation_check;
        }
    }
    co_await send(pipe.ranges, std::nullopt);  // close() would throw away what is still in the channel
}

awaitable<void> chunker(pipeline& pipe, walk::finished_ranges finished) {
    const auto session = co_await pipe.work.pool.acquire();
    const transfer::spec& transfer = pipe.work.transfer;
    if (transfer.by_place()) {
        const qualified_name along = transfer.copied_along();
        const pg::result row = co_await session->query("SELECT $1::regclass::oid::bigint", along.sql());
        walk::block_cutter cutter(*session, along, row.integer(0, 0), pipe.density, walk::gaps(finished));
        co_await hand_out(pipe, *session, cutter);
    } else {
        co_await walk::prepare_for_bounds(*session);
        walk::boundary_finder finder(*session, transfer.read.name, transfer.key, walk::gaps(finished));
        co_await hand_out(pipe, *session, finder);
    }
}

awaitable<void> worker(pipeline& pipe, transfer::worker_pool& pool, int number) {
    const auto session = co_await pipe.work.pool.acquire();
    co_await prepare_worker(*session, pipe.work.settings);
    auto timeout = pipe.work.settings.statement_timeout;
    std::int64_t rows = 0;
    std::chrono::nanoseconds took{0};
    while (!pool.surplus(number)) {
        co_await pipe.work.limiter.before_chunk(rows, took);
        auto range = co_await pipe.ranges.async_receive(asio::use_awaitable);
        if (!range) {
            pool.finish();
            co_await send(pipe.ranges, std::move(range));  // the mark goes on to the next worker
            co_return;
        }
        if (timeout != pipe.work.settings.statement_timeout) {
            timeout = pipe.work.settings.statement_timeout;
            co_await prepare_worker(*session, pipe.work.settings);
        }
        const auto started = clock::now();
        rows = co_await copy_chunk(pipe.work, *session, *range);
        took = clock::now() - started;
        pipe.sizer.follow(pipe.work.settings.chunk_time, pipe.work.settings.chunk_rows);
        pipe.sizer.measured(rows, took);
        if (pipe.work.transfer.by_place()) {
            pipe.density.measured(*range, rows);
        }
        pipe.work.progress.rows_done += rows;
        transfer::note_chunk(pipe.work.progress, rows, took);
    }
}

/// The rows and their checkpoint, in the transaction that is open.
awaitable<std::int64_t> insert_chunk(transfer::workspace& work, pg::connection& session, const walk::key_range& range) {
    walk::bound_sql sql = chunk_sql(work.transfer, range);
    const pg::result copied =
        co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
    job::chunk_counts counts;
    counts.rows = copied.affected();
    co_await transfer::require_name(session, work.transfer);
    co_await job::save_chunk(session, work.job, "copy", range, counts);
    if (work.transfer.by_place()) {
        co_await require_same_file(work, session);
    }
    co_return counts.rows;
}

awaitable<std::int64_t> try_chunk(transfer::workspace& work, pg::connection& session, const walk::key_range& range) {
    const auto chunk = [&] { return insert_chunk(work, session, range); };
    const std::int64_t rows = co_await job::in_tenure(session, work.tenure(), pg::isolation::read_committed, chunk);
    co_return rows;
}

}  // namespace

awaitable<void> prepare_worker(pg::connection& session, const run::settings& settings) {
    co_await session.execute(
        fmt::format("SET synchronous_commit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; "
                    "SET enable_tidscan = on; SET max_parallel_workers_per_gather = 0; SET statement_timeout = {}",
                    settings.statement_timeout.count()));
}

walk::bound_sql rows_sql(const transfer::spec& transfer, const walk::key_range& range) {
    if (transfer.order.empty()) {
        walk::bound_sql sql = walk::range_predicate(transfer.copy_key(), range, walk::side::read, "s");
        sql.sql = "ONLY " + transfer.read.name.sql() + " AS s" + sql.sql;
        return sql;
    }
    // A chunk of the list is read as it lies in the file, and sorted: four times as fast as one place after the other.
    std::vector<std::string> terms;
    for (const transfer::order_term& each : transfer.order) {
        terms.push_back(each.expression + each.direction);
    }
    walk::bound_sql sql = walk::range_predicate(transfer.copy_key(), range, walk::side::read, "p");
    sql.sql = fmt::format(
        "(SELECT s.* FROM ONLY {} AS s WHERE s.ctid = ANY (ARRAY(SELECT p.place FROM {} AS p{})) ORDER BY {}) AS s",
        transfer.read.name.sql(), transfer.places().sql(), sql.sql, join(terms, ", "));
    return sql;
}

walk::bound_sql chunk_sql(const transfer::spec& transfer, const walk::key_range& range) {
    walk::bound_sql sql = rows_sql(transfer, range);
    sql.sql = transfer_sql(transfer, sql.sql);
    return sql;
}

awaitable<std::int64_t> copy_chunk(transfer::workspace& work, pg::connection& session, walk::key_range range) {
    std::exception_ptr failure;
    bool data_is_bad = false;
    for (int tries = 1; tries <= most_tries; ++tries) {
        failure = nullptr;
        try {
            const std::int64_t rows = co_await try_chunk(work, session, range);
            co_return rows;
        } catch (const pg::sql_error& error) {
            failure = std::current_exception();
            data_is_bad = error.blames_data();
            if (!error.retryable() || error.poisons_connection()) {
                break;
            }
        }
        co_await pg::sleep_for(std::chrono::milliseconds(50 * tries));
    }
    if (data_is_bad) {
        co_await throw_bad_row(work, session, range, failure);
    }
    std::rethrow_exception(failure);
}

awaitable<void> copy_all(transfer::workspace& work) {
    const int most_workers = work.transfer.order.empty() ? transfer::worker_pool::any : 1;
    if (!work.transfer.order.empty()) {
        co_await put_in_order(work);
    }
    job::finished_chunks finished;
    {
        const auto session = co_await work.pool.acquire();
        finished = co_await job::load_chunks(*session, work.job, "copy", work.transfer.copy_key());
    }
    work.progress.rows_done = finished.rows;
    const auto executor = co_await asio::this_coro::executor;
    pipeline pipe{work, range_channel(executor, static_cast<std::size_t>(work.settings.workers)),
                  sizer_for(work.settings), walk::row_density()};
    std::vector<awaitable<void>> tasks;
    tasks.push_back(chunker(pipe, std::move(finished.ranges)));
    transfer::worker_pool* members = nullptr;
    const auto member = [&](int number) { return worker(pipe, *members, number); };
    transfer::worker_pool pool(work, member, most_workers);
    members = &pool;
    tasks.push_back(pool.run());
    co_await pg::run_all(std::move(tasks));
    if (work.transfer.by_place()) {
        const auto session = co_await work.pool.acquire();
        co_await require_same_file(work, *session);
    }
}

}  // namespace pgeist::copy
