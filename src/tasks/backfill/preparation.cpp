#include "pgeist/tasks/backfill/preparation.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"

namespace pgeist::backfill {

namespace {

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
    co_await job::claim_job(hold, first.job);
    co_return first;
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
        co_await job::claim_table(*hold, source.oid, source.name);
        first = co_await record_job(session, *hold, source, asked, chosen);
        out.job = first.job;
    } else {
        out.job = co_await job::next_number(session);
    }
    out.plan = co_await fill::plan_fill(session, source, asked, fmt::format("pgeist_{}", out.job));
    if (hold != nullptr) {
        co_await job::save_plan(session, out.job, fill::to_json(out.plan.spec), out.plan.spec.estimated_rows);
        co_await job::save_phase(session, first, "fill");
    }
    co_return out;
}

}  // namespace pgeist::backfill
