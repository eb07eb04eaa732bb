#include <fmt/format.h>

#include "executors.hpp"
#include "made.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "planned.hpp"

namespace pgeist::native {

concurrently::workspace workspace_of(const task::context& with) {
    return {with.pool, with.mine, with.chosen, with.observer, with.progress, with.steering};
}

namespace {

/// The OID of a relation whose name may be written without its schema. @throws error (failed) when it is not there
awaitable<std::int64_t> find_oid(pg::connection& session, qualified_name name) {
    const pg::result row = co_await session.query("SELECT to_regclass($1)::oid::bigint", name.sql());
    if (row.is_null(0, 0)) {
        throw error(exit_code::failed, fmt::format("{} is not there", name.display()));
    }
    co_return row.integer(0, 0);
}

/// What has to be said of the leaves goes before what the next action says.
void say_of_leaves(steps::step& of, int at, const std::vector<concurrently::partition_index>& made,
                   const std::string& constraint, const std::string& besides) {
    steps::action& next = of.actions[static_cast<std::size_t>(at) + 1];
    std::vector<std::string> statements;
    const std::string word = constraint.starts_with("PRIMARY") ? "PRIMARY KEY" : "UNIQUE";
    for (const concurrently::partition_index& each : made) {
        if (!constraint.empty() && !each.has_constraint) {
            statements.push_back(fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {} {}", each.table.sql(),
                                             quote_identifier(each.name), word, quote_identifier(each.name), besides));
        }
    }
    // The last one is the plain statement; what is before it, an attempt that was taken back has said.
    statements.push_back(next.statements.back());
    next.statements = std::move(statements);
}

/// The name that the server would give the index now, unless one of this name is begun already. Stored before it is.
awaitable<void> choose_name(pg::connection& session, pg::connection& own, const task::context& with, steps::step& of,
                            int at) {
    steps::action& what = of.actions[static_cast<std::size_t>(at)];
    if (what.unnamed.empty()) {
        co_return;
    }
    if (!what.index.name.empty()) {
        const bool begun = co_await concurrently::has_begun(session, with.mine.job, what.index);
        if (begun) {
            co_return;
        }
    }
    concurrently::unnamed_index asked;
    asked.table = what.relation;
    asked.statement = what.unnamed;
    what.index.name = co_await concurrently::name_of_index(own, std::move(asked));
    const auto storing = [&] { return steps::save_plan(session, with.mine.job, of); };
    co_await job::in_tenure(session, with.mine, pg::isolation::read_committed, storing);
}

awaitable<void> record_leaves(pg::connection& session, const task::context& with, const steps::step& of, int at) {
    co_await record(session, with, of, at);
    co_await steps::save_plan(session, with.mine.job, of);
}

}  // namespace

awaitable<void> server_steps::carry_out(const task::context& with, steps::step& of, int at) {
    using kind = steps::action_kind;
    concurrently::workspace work = workspace_of(with);
    const auto session = co_await with.pool.acquire();
    // One statement at a time: each has its own transactions. The session is handed back as it was.
    const auto own = co_await with.pool.open_own(job::session_name(with.mine.job));
    co_await require_same_table(*session, with.mine.job, of);
    co_await own->execute(users_settings_sql(of, settings_hold::in_session_of_the_job));
    co_await require_same_names(*own, of);
    co_await choose_name(*session, *own, with, of, at);
    const steps::action what = of.actions[static_cast<std::size_t>(at)];
    if (what.kind == kind::build_index) {
        concurrently::index_request wanted;
        wanted.table_oid = co_await find_oid(*own, what.relation);
        wanted.name = what.index;
        wanted.create_sql = what.statements.front();
        put_in_index(of, at, wanted.create_sql);
        wanted.for_constraint = static_cast<std::size_t>(at) + 1 < of.actions.size();
        co_await concurrently::create_index(work, *own, std::move(wanted));
    } else if (what.kind == kind::build_on_partitions) {
        concurrently::partitioned_request wanted;
        wanted.table_oid = co_await find_oid(*own, what.relation);
        wanted.definition = what.statements.at(0);
        wanted.constraint = what.statements.at(1);
        wanted.unique = what.statements.at(2) == "unique";
        const auto made = co_await concurrently::create_on_partitions(work, *own, std::move(wanted));
        say_of_leaves(of, at, made, what.statements.at(1), what.statements.at(3));
        const auto recording = [&] { return record_leaves(*session, with, of, at); };
        co_await pg::transaction(*session, pg::isolation::read_committed, recording);
        co_return;
    } else if (what.kind == kind::drop_index) {
        co_await concurrently::drop_index(work, *own, what.index);
    } else if (what.kind == kind::reindex && !what.index.name.empty()) {
        const std::int64_t index = co_await find_oid(*own, what.index);
        co_await concurrently::reindex(work, *own, index);
    } else if (what.kind == kind::reindex) {
        const std::int64_t table = co_await find_oid(*own, what.relation);
        co_await concurrently::reindex_table(work, *own, table);
    } else if (what.kind == kind::detach) {
        co_await concurrently::detach_partition(work, *own, what.relation, what.index);
    }
    const auto recording = [&] { return record(*session, with, of, at); };
    co_await pg::transaction(*session, pg::isolation::read_committed, recording);
}

awaitable<void> take_back_builds(const task::context& with) {
    concurrently::workspace work = workspace_of(with);
    co_await concurrently::take_back(work);
}

}  // namespace pgeist::native
