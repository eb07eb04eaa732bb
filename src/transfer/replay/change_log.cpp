#include "pgeist/transfer/replay/change_log.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/job/in_tenure.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::replay {

namespace {

qualified_name log_before(const transfer::spec& transfer) { return {transfer.schema, "pgeist_log_before"}; }

/// Of the log before, `name` a literal: whether something of it is still to be moved. Its comment says that nothing is.
std::string is_in_two_parts(const std::string& name) {
    return fmt::format(
        "(to_regclass({0}) IS NOT NULL AND obj_description(to_regclass({0}), 'pg_class') IS DISTINCT FROM "
        "'pgeist: all of it is in pgeist_log')",
        name);
}

awaitable<void> begin_anew(pg::connection& session, const transfer::spec& transfer) {
    co_await session.execute(capture::log_anew_sql(transfer));
}

awaitable<void> put_together(pg::connection& session, const transfer::spec& transfer) {
    // Waits for a change whose COMMIT was lost on the way and is not answered yet.
    co_await session.execute(fmt::format("LOCK TABLE {} IN ROW EXCLUSIVE MODE", transfer.log().sql()));
    const std::string name = quote_literal(log_before(transfer).sql());
    const pg::result row = co_await session.query("SELECT " + is_in_two_parts(name));
    if (row.boolean(0, 0)) {
        co_await session.execute(capture::log_whole_sql(transfer));
    }
}

/// A dump that has come to the log before reads it until the dump has ended: it is waited for no longer than for any
/// other lock. (Nobody else wants one that this could be in the way of.)
awaitable<void> drop_before(pg::connection& session, const transfer::spec& transfer,
                            std::chrono::milliseconds longest) {
    co_await session.execute(fmt::format("SET LOCAL lock_timeout = {}; DROP TABLE IF EXISTS {}",
                                         std::max<std::int64_t>(1, longest.count()), log_before(transfer).sql()));
}

/// @returns who was in the way, if it could not be dropped
awaitable<std::vector<report::blocker>> try_to_drop_before(transfer::workspace& work) {
    std::vector<report::blocker> in_the_way;
    const auto session = co_await work.pool.acquire();
    const pg::result there =
        co_await session->query("SELECT to_regclass($1) IS NOT NULL", log_before(work.transfer).sql());
    if (!there.boolean(0, 0)) {
        co_return in_the_way;
    }
    bool blocked = false;
    const auto removal = [&] { return drop_before(*session, work.transfer, work.settings.lock_timeout); };
    try {
        co_await job::in_tenure(*session, work.tenure(), pg::isolation::read_committed, removal);
    } catch (const pg::sql_error& failure) {
        blocked = failure.blocked();
        if (!blocked) {
            throw;
        }
    }
    if (blocked) {
        in_the_way = co_await lock::find_blockers(*session, log_before_target(work.transfer), session->backend_pid());
        if (in_the_way.empty()) {
            report::blocker gone;
            gone.other = "somebody who has gone meanwhile";
            in_the_way.push_back(std::move(gone));
        }
    }
    co_return in_the_way;
}

}  // namespace

lock::target log_before_target(const transfer::spec& transfer) {
    lock::target wanted;
    wanted.tables.push_back(log_before(transfer));
    return wanted;
}

namespace {

/// `place` is how the row is told from those of other logs.
std::string look_sql(const transfer::spec& transfer, std::size_t place) {
    return fmt::format(
        "SELECT {} AS place, ({}) AS truncations, count(*) AS rows, coalesce((min(ctid)::text::point)[0]::bigint, 0) "
        "AS first_block, pg_relation_size({}::regclass) / current_setting('block_size')::bigint AS blocks, {} AS "
        "in_two_parts FROM {}",
        place, capture::truncations_sql(transfer), quote_literal(transfer.log().sql()),
        is_in_two_parts(quote_literal(log_before(transfer).sql())), transfer.log().sql());
}

}  // namespace

awaitable<std::vector<log_look>> look_at_logs(pg::connection& session, std::vector<const transfer::spec*> transfers) {
    std::vector<std::string> questions;
    for (std::size_t place = 0; place < transfers.size(); ++place) {
        questions.push_back(look_sql(*transfers[place], place));
    }
    const pg::result rows = co_await session.query(join(questions, " UNION ALL ") + " ORDER BY place");
    std::vector<log_look> all;
    for (int row = 0; row < rows.rows(); ++row) {
        if (rows.boolean(row, "in_two_parts")) {
            throw error(exit_code::failed, "the change log is in two parts", "go on with: pgeist resume JOB");
        }
        log_look found;
        found.truncations = rows.integer(row, "truncations");
        found.rows = rows.integer(row, "rows");
        found.first_block = rows.integer(row, "first_block");
        found.blocks = rows.integer(row, "blocks");
        all.push_back(found);
    }
    co_return all;
}

awaitable<log_look> look_at_log(pg::connection& session, const transfer::spec& transfer) {
    const std::vector<log_look> found =
        co_await look_at_logs(session, std::vector<const transfer::spec*>(1, &transfer));
    co_return found.front();
}

awaitable<std::int64_t> log_file_bytes(pg::connection& session, const transfer::spec& transfer) {
    const pg::result row = co_await session.query("SELECT pg_relation_size($1::text::regclass)", transfer.log().sql());
    co_return row.integer(0, 0);
}

lock::target log_target(const transfer::spec& transfer) {
    lock::target wanted;
    wanted.tables.push_back(transfer.log());
    return wanted;
}

awaitable<bool> replace_log(transfer::workspace& work, pg::connection& session, lock::attempt how) {
    const auto readers = co_await try_to_drop_before(work);
    if (!readers.empty()) {
        co_return false;
    }
    const bool locked = co_await lock::try_lock(session, log_target(work.transfer), how);
    if (!locked) {
        co_return false;
    }
    const auto change = [&] { return begin_anew(session, work.transfer); };
    co_await job::conclude_in_tenure(session, work.tenure(), change);
    co_await finish_log_replacement(work);
    co_return true;
}

awaitable<void> finish_log_replacement(transfer::workspace& work) {
    {
        const auto session = co_await work.pool.acquire();
        const auto end = [&] { return put_together(*session, work.transfer); };
        co_await job::in_tenure(*session, work.tenure(), pg::isolation::read_committed, end);
    }
    const auto readers = co_await try_to_drop_before(work);
    if (!readers.empty()) {
        work.observer.message(
            report::level::info,
            fmt::format("the change log of before, {}, is still read by {}: it counts no more, and is "
                        "dropped later",
                        log_before(work.transfer).display(), lock::describe(readers.front())));
    }
}

}  // namespace pgeist::replay
