#include "pgeist/transfer/copy/order.hpp"

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/walk/chunk_sizer.hpp"
#include "pgeist/walk/heap_order.hpp"
#include "pgeist/walk/key_sql.hpp"
#include "same_file.hpp"

namespace pgeist::copy {

namespace {

using clock = std::chrono::steady_clock;

/// `s.ctid AS place, (…) AS o1, …` from the read side.
std::string select_places(const transfer::spec& transfer) {
    std::vector<std::string> values{"s.ctid AS place"};
    for (const transfer::order_term& each : transfer.order) {
        values.push_back(fmt::format("{} AS o{}", each.expression, values.size()));
    }
    return fmt::format("SELECT {} FROM ONLY {} AS s", join(values, ", "), transfer.read.name.sql());
}

/// What a crash takes of it is gathered again: only the sorted list says that it is complete.
std::string make_unsorted_sql(const transfer::spec& transfer) {
    return fmt::format("DROP TABLE IF EXISTS {0}; CREATE UNLOGGED TABLE {0} AS {1} WITH NO DATA; ",
                       transfer.unsorted_places().sql(), select_places(transfer));
}

std::string sort_sql(const transfer::spec& transfer) {
    std::vector<std::string> terms;
    for (const transfer::order_term& each : transfer.order) {
        terms.push_back(fmt::format("o{}{}", terms.size() + 1, each.direction));
    }
    return fmt::format("CREATE TABLE {} AS SELECT place FROM {} ORDER BY {}; ", transfer.places().sql(),
                       transfer.unsorted_places().sql(), join(terms, ", "));
}

awaitable<void> run_script(pg::connection& session, const std::string& sql) {
    co_await session.execute(deadline::never(), sql);
}

awaitable<std::int64_t> gather_chunk(transfer::workspace& work, pg::connection& session, const walk::key_range& range) {
    walk::bound_sql sql = walk::range_predicate(walk::key_of_places(), range, walk::side::read, "s");
    sql.sql = fmt::format("INSERT INTO {} {}{}", work.transfer.unsorted_places().sql(), select_places(work.transfer),
                          sql.sql);
    const pg::result gathered =
        co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
    co_await transfer::require_name(session, work.transfer);
    co_await require_same_file(work, session);
    co_return gathered.affected();
}

/// In one go, by one session: nothing of it outlives a lost connection.
awaitable<void> gather(transfer::workspace& work, pg::connection& session) {
    const std::string fresh = make_unsorted_sql(work.transfer);
    const auto making = [&] { return run_script(session, fresh); };
    co_await job::in_tenure(session, work.tenure(), pg::isolation::read_committed, making);
    walk::row_density density;
    std::vector<walk::key_range> whole(1);
    walk::block_cutter cutter(session, work.transfer.read.name, work.transfer.read.oid, density, std::move(whole));
    walk::chunk_sizer sizer(work.settings.chunk_time);
    std::int64_t rows = 0;
    std::int64_t all = 0;
    std::chrono::nanoseconds took{0};
    auto range = co_await cutter.next(sizer.next());
    while (range) {
        co_await work.limiter.before_chunk(rows, took);
        const auto started = clock::now();
        const auto chunk = [&] { return gather_chunk(work, session, *range); };
        rows = co_await job::in_tenure(session, work.tenure(), pg::isolation::read_committed, chunk);
        took = clock::now() - started;
        sizer.measured(rows, took);
        density.measured(*range, rows);
        all += rows;
        work.progress.detail = fmt::format("reading the order of {} rows", format_count(all));
        range = co_await cutter.next(sizer.next());
    }
}

/// Works on our own tables alone: what it takes, nobody waits for.
awaitable<void> sort(transfer::workspace& work, pg::connection& session) {
    work.progress.detail = "sorting";
    std::string script = "SET LOCAL statement_timeout = 0; ";
    if (work.settings.maintenance_work_mem) {
        script += fmt::format("SET LOCAL work_mem = '{}kB'; ", *work.settings.maintenance_work_mem / 1024);
    }
    script += sort_sql(work.transfer) + fmt::format("ANALYZE {}; DROP TABLE {}", work.transfer.places().sql(),
                                                    work.transfer.unsorted_places().sql());
    const auto sorting = [&] { return run_script(session, script); };
    co_await job::in_tenure(session, work.tenure(), pg::isolation::read_committed, sorting);
}

awaitable<bool> is_in_order(const transfer::spec& transfer, pg::connection& session) {
    const pg::result row = co_await session.query("SELECT to_regclass($1) IS NOT NULL", transfer.places().sql());
    co_return row.boolean(0, 0);
}

}  // namespace

awaitable<void> put_in_order(transfer::workspace& work) {
    const auto session = co_await work.pool.acquire();
    const bool there = co_await is_in_order(work.transfer, *session);
    if (there) {
        co_return;
    }
    co_await prepare_worker(*session, work.settings);
    co_await gather(work, *session);
    co_await sort(work, *session);
    work.progress.detail.clear();
}

std::string trial_of_order_sql(const transfer::spec& transfer) {
    return make_unsorted_sql(transfer) + sort_sql(transfer) + forget_order_sql(transfer);
}

std::string forget_order_sql(const transfer::spec& transfer) {
    return fmt::format("DROP TABLE IF EXISTS {}, {}; ", transfer.places().sql(), transfer.unsorted_places().sql());
}

awaitable<void> forget_order(transfer::workspace& work) {
    if (work.transfer.order.empty()) {
        co_return;
    }
    const auto session = co_await work.pool.acquire();
    const std::string script = forget_order_sql(work.transfer);
    const auto forgetting = [&] { return run_script(*session, script); };
    co_await job::in_tenure(*session, work.tenure(), pg::isolation::read_committed, forgetting);
}

}  // namespace pgeist::copy
