#include "pgeist/tasks/server_repack/preparation.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/check/server_repack.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/steps/store.hpp"
#include "pgeist/tasks/reindex/plan.hpp"
#include "pgeist/tasks/server_repack/kind.hpp"

namespace pgeist::server_repack {

namespace {

/// Reading, writing and building its indexes. An order of magnitude, no promise.
constexpr double bytes_per_ms = 30.0 * 1024;

steps::step step_of(const intention& what) {
    steps::step one;
    one.number = 1;
    one.statement = what.how.statement;
    one.table = what.table.display();
    one.how = steps::method::server;
    one.why = "asked for; the server copies the table, decodes what is written meanwhile, and exchanges the files";
    one.evidence = probe::evidence::catalog;
    probe::relation_lock lock;
    lock.relation = what.table.display();
    lock.mode = probe::lock_mode::access_exclusive;
    lock.kind = probe::relation_kind::table;
    one.locks.push_back(std::move(lock));
    one.rewrites.push_back(what.table.display());
    one.blocks_ms = 1;
    one.estimated_ms = static_cast<std::int64_t>(static_cast<double>(what.how.bytes) / bytes_per_ms);
    return one;
}

}  // namespace

awaitable<intention> consider(pg::connection& session, plan::change_request change) {
    if (session.server_major() < check::repack_since) {
        throw error(exit_code::refused,
                    fmt::format("PostgreSQL {} has no REPACK (CONCURRENTLY): it came with {}", session.server_major(),
                                check::repack_since),
                    "repack by a copy: leave out --method server");
    }
    const auto found = co_await catalog::find_table(session, change.table);
    if (!found || (found->kind != 'r' && found->kind != 'p' && found->kind != 'm')) {
        throw error(exit_code::refused, fmt::format("there is no table {}", change.table.display()),
                    "check the name and the search_path; quote it as in SQL where it needs it");
    }
    intention out;
    out.table = found->name;
    out.table_oid = found->oid;
    auto how = co_await check::consider_server_repack(session, found->oid);
    if (how) {
        out.how = std::move(*how);
    }
    if (found->kind != 'r') {
        out.how.refusals.emplace_back(found->kind == 'p' ? "it is partitioned: name its partitions"
                                                         : "it is a materialized view");
    }
    const pg::result row =
        co_await session.query("SELECT coalesce(pg_relation_filenode($1::bigint::oid), 0)::bigint", found->oid);
    out.file = row.integer(0, 0);
    out.step = step_of(out);
    co_return out;
}

void require_possible(const intention& what) {
    if (!what.how.refusals.empty()) {
        throw error(exit_code::refused,
                    fmt::format("the server would not do {}: {}", what.how.statement, join(what.how.refusals, "; ")),
                    "repack by a copy: leave out --method server");
    }
}

awaitable<job::tenure> make_job(pg::connection& session, job::advisory_locks& hold, plan::change_request change,
                                const intention& what, run::settings chosen) {
    co_await job::claim_table(hold, what.table_oid, what.table);
    static_cast<void>(co_await job::ensure_state_schema(session));
    co_await job::require_own_state(session, what.table_oid);
    job::beginning begin;
    begin.kind = kind_name;
    begin.table = what.table;
    begin.table_oid = what.table_oid;
    begin.change = plan::to_json(change);
    begin.settings = std::move(chosen);
    begin.phase = kind().phases().front().name;
    const job::tenure first = co_await job::create(session, std::move(begin));
    co_await job::claim_job(hold, first.job);
    reindex::plan stored;
    stored.table = what.table;
    stored.source_oid = what.table_oid;
    stored.profile = co_await pg::read_profile(session);
    stored.file = what.file;
    stored.bytes = what.how.bytes;
    co_await job::save_plan(session, first.job, reindex::to_json(stored), 0);
    std::vector<steps::step> steps;
    steps.push_back(what.step);
    co_await steps::save_steps(session, first.job, steps);
    co_return first;
}

std::string warning(const intention& what) {
    return fmt::format(
        "snapshots taken before the end of {} see no rows afterwards, and nobody tells them: no "
        "REPEATABLE READ transaction, and no pg_dump, should begin before it is done; nothing of it is "
        "verified or throttled",
        what.how.statement);
}

}  // namespace pgeist::server_repack
