#include "pgeist/tasks/backfill/preparation.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"

namespace pgeist::backfill {

namespace {

awaitable<void> take_table(job::advisory_locks& hold, const catalog::table& source) {
    const auto by = co_await hold.take_table(source.oid);
    if (by) {
        job::throw_held(fmt::format("table {}", source.name.display()), *by);
    }
}

awaitable<job::tenure> record_job(pg::connection& session, job::advisory_locks& hold, const catalog::table& source,
                                  const fill::request& asked, const run::settings& chosen) {
    static_cast<void>(co_await job::ensure_state_schema(session));
    co_await job::require_own_state(session, source.oid);
    job::beginning what;
    what.kind = "backfill";
    what.table = source.name;
    what.table_oid = source.oid;
    what.change = fill::to_json(asked);
    what.settings = chosen;
    what.phase = "prepare";
    const job::tenure first = co_await job::create(session, std::move(what));
    const auto by = co_await hold.take_job(first.job);
    if (by) {
        job::throw_held(fmt::format("job {}", first.job), *by);
    }
    co_return first;
}

/// The id that the next job would get: for a plan, which must not use it up.
awaitable<std::int64_t> next_job(pg::connection& session) {
    const bool present = co_await job::has_state_schema(session);
    std::string sql = "SELECT 1";
    if (present) {
        sql = "SELECT coalesce(max(id), 0) + 1 FROM pgeist.jobs";
    }
    const pg::result row = co_await session.query(std::move(sql));
    co_return row.integer(0, 0);
}

}  // namespace

awaitable<preparation> prepare(pg::connection& session, job::advisory_locks* hold, fill::request asked,
                               run::settings chosen) {
    preparation out;
    auto profile = co_await pg::read_profile(session);
    co_await session.adopt(std::move(profile));
    const catalog::table source = co_await fill::find_table(session, asked);
    co_await job::require_own_state(session, source.oid);
    job::tenure first;
    if (hold != nullptr) {
        co_await take_table(*hold, source);
        first = co_await record_job(session, *hold, source, asked, chosen);
        out.job = first.job;
    } else {
        out.job = co_await next_job(session);
    }
    out.plan = co_await fill::plan_fill(session, source, asked, fmt::format("pgeist_{}", out.job));
    if (hold != nullptr) {
        co_await job::save_plan(session, out.job, fill::to_json(out.plan.spec), out.plan.spec.estimated_rows);
        co_await job::save_phase(session, first, "fill");
    }
    co_return out;
}

}  // namespace pgeist::backfill
