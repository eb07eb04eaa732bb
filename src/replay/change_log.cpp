#include "pgeist/replay/change_log.hpp"

#include <fmt/format.h>

#include "pgeist/capture/capture.hpp"
#include "pgeist/job/in_tenure.hpp"

namespace pgeist::replay {

namespace {

qualified_name log_of(const plan::blueprint& plan) { return {plan.job_schema, "pgeist_log"}; }

qualified_name log_before(const plan::blueprint& plan) { return {plan.job_schema, "pgeist_log_before"}; }

awaitable<void> begin_anew(pg::connection& session, const plan::blueprint& plan) {
    co_await session.execute(capture::log_anew_sql(plan));
}

awaitable<void> put_together(pg::connection& session, const plan::blueprint& plan) {
    // Waits for a change whose COMMIT was lost on the way and is not answered yet.
    co_await session.execute(fmt::format("LOCK TABLE {} IN ROW EXCLUSIVE MODE", log_of(plan).sql()));
    const pg::result row = co_await session.query("SELECT to_regclass($1) IS NOT NULL", log_before(plan).sql());
    if (row.boolean(0, 0)) {
        co_await session.execute(capture::log_whole_sql(plan));
    }
}

}  // namespace

awaitable<log_look> look_at_log(pg::connection& session, const plan::blueprint& plan) {
    std::string sql = fmt::format(
        "SELECT count(*) AS rows, coalesce((min(ctid)::text::point)[0]::bigint, 0) AS first_block, "
        "pg_relation_size({}::regclass) / current_setting('block_size')::bigint AS blocks, to_regclass({}) IS NULL AS "
        "whole FROM {}",
        quote_literal(log_of(plan).sql()), quote_literal(log_before(plan).sql()), log_of(plan).sql());
    const pg::result row = co_await session.query(std::move(sql));
    if (!row.boolean(0, "whole")) {
        throw error(exit_code::failed, "the change log is in two parts", "go on with: pgeist resume JOB");
    }
    log_look found;
    found.rows = row.integer(0, "rows");
    found.first_block = row.integer(0, "first_block");
    found.blocks = row.integer(0, "blocks");
    co_return found;
}

awaitable<std::int64_t> log_file_bytes(pg::connection& session, const plan::blueprint& plan) {
    const pg::result row = co_await session.query("SELECT pg_relation_size($1::text::regclass)", log_of(plan).sql());
    co_return row.integer(0, 0);
}

lock::target log_target(const plan::blueprint& plan) {
    lock::target wanted;
    wanted.tables.push_back(log_of(plan));
    return wanted;
}

awaitable<bool> change_log(job::workspace& work, pg::connection& session, lock::attempt how) {
    const bool locked = co_await lock::try_lock(session, log_target(work.plan), how);
    if (!locked) {
        co_return false;
    }
    const auto change = [&] { return begin_anew(session, work.plan); };
    co_await job::conclude_in_tenure(session, work.tenure(), change);
    co_await finish_change_of_log(work);
    co_return true;
}

awaitable<void> finish_change_of_log(job::workspace& work) {
    const auto session = co_await work.pool.acquire();
    const auto end = [&] { return put_together(*session, work.plan); };
    co_await job::in_tenure(*session, work.tenure(), pg::isolation::read_committed, end);
}

}  // namespace pgeist::replay
