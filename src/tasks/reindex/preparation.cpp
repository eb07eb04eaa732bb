#include "pgeist/tasks/reindex/preparation.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/concurrently/indexes.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/steps/store.hpp"
#include "pgeist/tasks/reindex/kind.hpp"
#include "pgeist/tasks/reindex/plan.hpp"

namespace pgeist::reindex {

namespace {

/// Reading a heap, sorting and writing; twice, since CONCURRENTLY reads it again. An order of magnitude, no promise.
constexpr double bytes_per_ms = 30.0 * 1024;

steps::step step_of(const concurrently::existing_index& index) {
    steps::step one;
    one.statement = "REINDEX INDEX CONCURRENTLY " + index.name.display();
    one.table = index.table.display();
    one.how = steps::method::reindex;
    one.why = fmt::format("the index takes {}; it is built anew beside the old one, and readers and writers go on",
                          format_size(index.bytes));
    one.evidence = probe::evidence::catalog;
    probe::relation_lock lock;
    lock.relation = index.table.display();
    lock.mode = probe::lock_mode::share_update_exclusive;
    lock.kind = probe::relation_kind::table;
    one.locks.push_back(std::move(lock));
    one.scans.push_back(index.table.display());
    one.builds.push_back(index.name.display());
    one.blocks_ms = 0;
    one.estimated_ms =
        static_cast<std::int64_t>(static_cast<double>(2 * index.table_bytes + index.bytes) / bytes_per_ms);
    steps::action act;
    act.kind = steps::action_kind::reindex;
    act.label = "rebuilding " + index.name.display();
    act.statements.push_back("REINDEX INDEX CONCURRENTLY " + index.name.sql());
    act.relation = index.table;
    act.index = index.name;
    one.actions.push_back(std::move(act));
    return one;
}

bool is_meant(const concurrently::existing_index& index, const qualified_name& name, const qualified_name& table) {
    const std::string& schema = name.schema.empty() && !index.is_toast ? table.schema : name.schema;
    return index.name.name == name.name && (index.name.schema == schema || name.schema.empty());
}

/// The indexes that were asked for, in that order. @throws error (refused)
std::vector<concurrently::existing_index> chosen_of(const std::vector<concurrently::existing_index>& all,
                                                    const request& what, const qualified_name& table) {
    std::vector<concurrently::existing_index> chosen;
    for (const std::string& each : what.indexes) {
        const qualified_name name = parse_qualified_name(each);
        const auto found =
            std::find_if(all.begin(), all.end(), [&](const auto& index) { return is_meant(index, name, table); });
        if (found == all.end()) {
            std::vector<std::string> names;
            for (const auto& index : all) {
                names.push_back(display_identifier(index.name.name));
            }
            throw error(exit_code::refused, fmt::format("{} has no index {}", table.display(), name.display()),
                        names.empty() ? "it has none" : "it has: " + join(names, ", "));
        }
        const bool twice =
            std::any_of(chosen.begin(), chosen.end(), [&](const auto& index) { return index.oid == found->oid; });
        if (!twice) {
            chosen.push_back(*found);
        }
    }
    return what.indexes.empty() ? all : chosen;
}

}  // namespace

awaitable<intention> consider(pg::connection& session, request what) {
    concurrently::require_sound_server(session);
    const auto found = co_await catalog::find_table(session, what.table);
    if (!found) {
        throw error(exit_code::refused, fmt::format("there is no table {}", what.table.display()),
                    "check the name and the search_path; quote it as in SQL where it needs it");
    }
    if (found->kind != 'r' && found->kind != 'p' && found->kind != 'm') {
        throw error(exit_code::refused, fmt::format("{} is no table", found->name.display()),
                    "name a table, a partitioned table or a materialized view");
    }
    intention out;
    out.table = found->name;
    out.table_oid = found->oid;
    const std::vector<concurrently::existing_index> all = co_await concurrently::list_indexes(session, found->oid);
    const std::vector<concurrently::existing_index> chosen = chosen_of(all, what, found->name);
    for (const concurrently::existing_index& each : chosen) {
        if (!each.why_not.empty()) {
            out.warnings.push_back(fmt::format("index {} is left as it is: {}", each.name.display(), each.why_not));
            continue;
        }
        steps::step one = step_of(each);
        one.number = static_cast<int>(out.steps.size()) + 1;
        out.index_bytes += each.bytes;
        out.steps.push_back(std::move(one));
    }
    co_return out;
}

awaitable<job::tenure> make_job(pg::connection& session, job::advisory_locks& hold, request what, const intention& how,
                                run::settings chosen) {
    co_await job::claim_table(hold, how.table_oid, how.table);
    static_cast<void>(co_await job::ensure_state_schema(session));
    co_await job::require_own_state(session, how.table_oid);
    job::beginning begin;
    begin.kind = kind_name;
    begin.table = how.table;
    begin.table_oid = how.table_oid;
    begin.change = to_json(what);
    begin.settings = std::move(chosen);
    begin.phase = kind().phases().front().name;
    const job::tenure first = co_await job::create(session, std::move(begin));
    co_await job::claim_job(hold, first.job);
    plan stored;
    stored.table = how.table;
    stored.source_oid = how.table_oid;
    stored.profile = co_await pg::read_profile(session);
    co_await job::save_plan(session, first.job, to_json(stored), static_cast<std::int64_t>(how.steps.size()));
    co_await steps::save_steps(session, first.job, how.steps);
    co_return first;
}

}  // namespace pgeist::reindex
