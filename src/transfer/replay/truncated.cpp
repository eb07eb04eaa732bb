#include "pgeist/transfer/replay/truncated.hpp"

#include <fmt/format.h>

#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/shared/in_snapshot.hpp"
#include "pgeist/transfer/shared/own_tables.hpp"
#include "pgeist/transfer/touched.hpp"
#include "pgeist/walk/boundary_finder.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::replay {

namespace {

/// Keys that are logged at once.
constexpr std::int64_t keys_at_once = 200'000;

awaitable<void> empty_write_side(pg::connection& session, const transfer::spec& transfer) {
    std::string sql = "TRUNCATE " + transfer.write.name.sql();
    if (transfer.sets_apart) {
        sql += fmt::format("; DELETE FROM {}", transfer.unfit().sql());
    }
    if (transfer::logs_touched(transfer)) {
        sql += fmt::format("; DELETE FROM {}", transfer.since().sql());
    }
    co_await session.execute(std::move(sql));
}

awaitable<void> log_keys(pg::connection& session, const transfer::spec& transfer, const walk::key_range& range) {
    walk::bound_sql sql = walk::range_predicate(transfer.key, range, walk::side::read, "s");
    sql.sql = fmt::format("INSERT INTO {} ({}) SELECT {} FROM ONLY {} AS s{}", transfer.log().sql(),
                          walk::log_columns(transfer.key), walk::read_columns(transfer.key, "s"),
                          transfer.read.name.sql(), sql.sql);
    co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
}

awaitable<void> log_all_keys(transfer::workspace& work, pg::connection& session) {
    const auto bounds = co_await work.pool.acquire();
    co_await walk::prepare_for_bounds(*bounds);
    walk::boundary_finder finder(*bounds, work.transfer.read.name, work.transfer.key,
                                 walk::gaps(walk::finished_ranges()));
    auto range = co_await finder.next(keys_at_once);
    while (range) {
        const walk::key_range keys = *range;
        const auto logging = [&] { return log_keys(session, work.transfer, keys); };
        co_await transfer::in_snapshot(session, work, logging);
        range = co_await finder.next(keys_at_once);
    }
}

awaitable<void> forget_truncations(pg::connection& session, const transfer::spec& transfer, const std::string& places) {
    const std::string sql = fmt::format("DELETE FROM {} WHERE ctid = ANY ($1::tid[])", transfer.truncations().sql());
    co_await session.query(sql, places);
}

}  // namespace

// The TRUNCATEs known are noted before anything else: one that comes later is still there in the end, and found. A row
// that is written after its range has been logged is in the log by its writer's trigger.
awaitable<void> begin_anew(transfer::workspace& work) {
    const auto session = co_await work.pool.acquire();
    std::string list = fmt::format("SELECT array_agg(ctid)::text FROM {}{}", work.transfer.truncations().sql(),
                                   capture::not_missed(work.transfer));
    const pg::result known = co_await session->query(std::move(list));
    const auto places = known.optional_text(0, 0);
    if (!places) {
        co_return;
    }
    work.progress.detail = "the table was truncated: its rows are brought back anew";
    const auto emptying = [&] { return empty_write_side(*session, work.transfer); };
    co_await transfer::in_tenure_alone(work, *session, emptying);
    co_await log_all_keys(work, *session);
    const auto end = [&] { return forget_truncations(*session, work.transfer, *places); };
    co_await job::in_tenure(*session, work.tenure(), pg::isolation::read_committed, end);
}

}  // namespace pgeist::replay
