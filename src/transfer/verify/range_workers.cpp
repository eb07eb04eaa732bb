#include "pgeist/transfer/verify/range_workers.hpp"

#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/shared/worker_pool.hpp"
#include "pgeist/walk/chunk_sizer.hpp"

namespace pgeist::verify {

namespace {

using clock = std::chrono::steady_clock;
using range_channel = asio::experimental::channel<void(boost::system::error_code, std::optional<walk::key_range>)>;

struct pipeline {
    transfer::workspace& work;
    range_walk& walk;
    range_channel ranges;
    walk::chunk_sizer sizer;
};

awaitable<void> send(range_channel& ranges, std::optional<walk::key_range> range) {
    const boost::system::error_code none;
    co_await ranges.async_send(none, std::move(range), asio::use_awaitable);
}

awaitable<void> cut(pipeline& pipe) {
    while (true) {
        auto range = co_await pipe.walk.next(pipe.sizer.next());
        if (!range) {
            break;
        }
        co_await send(pipe.ranges, std::move(range));
    }
    co_await send(pipe.ranges, std::nullopt);  // close() would throw away what is still in the channel
}

awaitable<void> worker(pipeline& pipe, transfer::worker_pool& pool, int number) {
    const auto session = co_await pipe.work.pool.acquire();
    const run::settings& settings = pipe.work.settings;
    co_await prepare_to_look(*session, settings);
    auto timeout = settings.statement_timeout;
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
        if (timeout != settings.statement_timeout) {
            timeout = settings.statement_timeout;
            co_await prepare_to_look(*session, settings);
        }
        const auto started = clock::now();
        rows = co_await pipe.walk.look_at(*session, std::move(*range));
        took = clock::now() - started;
        pipe.sizer.follow(settings.chunk_time, settings.chunk_rows);
        pipe.sizer.measured(rows, took);
        pipe.work.progress.rows_done += rows;
        transfer::note_chunk(pipe.work.progress, rows, took);
    }
}

}  // namespace

awaitable<void> prepare_to_look(pg::connection& session, const run::settings& settings) {
    co_await session.execute(fmt::format(
        "SET synchronous_commit = off; SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_tidscan = on; "
        "SET work_mem = '64MB'; SET max_parallel_workers_per_gather = 0; SET statement_timeout = {}",
        settings.statement_timeout.count()));
}

awaitable<void> run_with_workers(transfer::workspace& work, range_walk& walk, std::int64_t first) {
    const auto executor = co_await asio::this_coro::executor;
    const auto& settings = work.settings;
    pipeline pipe{work, walk, range_channel(executor, static_cast<std::size_t>(settings.workers)),
                  settings.chunk_rows ? walk::chunk_sizer::fixed(*settings.chunk_rows)
                                      : walk::chunk_sizer(settings.chunk_time, first)};
    std::vector<awaitable<void>> tasks;
    tasks.push_back(cut(pipe));
    transfer::worker_pool* members = nullptr;
    const auto member = [&](int number) { return worker(pipe, *members, number); };
    transfer::worker_pool pool(work, member);
    members = &pool;
    tasks.push_back(pool.run());
    co_await pg::run_all(std::move(tasks));
}

}  // namespace pgeist::verify
