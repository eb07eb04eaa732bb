#include "pgeist/tasks/rewrite/undo.hpp"

#include <optional>

#include <fmt/format.h>

#include "own_objects.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/politely.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::rewrite {

namespace {

/// What is taken back, and over which sessions.
struct place {
    pg::pool& pool;
    pg::connection& session;
    job::tenure mine;
    report::observer& observer;
};

awaitable<bool> has_triggers(pg::connection& session, std::int64_t job, std::int64_t table_oid) {
    const pg::result row = co_await session.query(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::bigint::oid AND NOT tgisinternal AND tgname ~ $2)",
        table_oid, fmt::format("^pgeist_{}_(insert|update|delete|key_change|truncate)$", job));
    co_return row.boolean(0, 0);
}

awaitable<void> run_undo_script(pg::connection& session, const std::string& sql) { co_await session.execute(sql); }

/// Runs `sql` under the lock that the open transaction holds, and commits.
awaitable<void> conclude_script(pg::connection& session, job::tenure mine, std::string sql) {
    const auto script = [&] { return run_undo_script(session, sql); };
    co_await job::conclude_in_tenure(session, mine, script);
}

awaitable<void> run_locked_at(place at, qualified_name table, std::string sql) {
    const auto observer_session = co_await at.pool.acquire();
    lock::target target;
    target.tables.push_back(std::move(table));
    lock::policy rules;
    co_await lock::fit_to_server(at.session, rules);
    co_await lock::acquire(at.session, *observer_session, target, rules, run::on_blocked::wait, at.observer);
    co_await conclude_script(at.session, at.mine, std::move(sql));
}

std::string drop_triggers_sql(std::int64_t job, const qualified_name& table) {
    transfer::spec names;
    names.schema = job_schema(job);
    return capture::drop_triggers_sql(names, table);
}

}  // namespace

awaitable<void> run_locked(task::undo_context& at, qualified_name table, std::string sql) {
    const place here{at.pool, at.session, at.mine, at.observer};
    return run_locked_at(here, std::move(table), std::move(sql));
}

awaitable<void> take_off_triggers(task::undo_context& at) {
    const bool triggers = co_await has_triggers(at.session, at.mine.job, at.table_oid);
    if (!triggers) {
        co_return;
    }
    co_await job::claim_table(at.hold, at.table_oid, at.table);
    co_await run_locked(at, at.table, drop_triggers_sql(at.mine.job, at.table));
}

awaitable<void> drop_bound_constraint(task::undo_context& at) {
    co_await take_off_triggers(at);
    const std::string constraint = job_schema(at.mine.job) + "_bound";
    const pg::result found = co_await at.session.query(
        "SELECT n.nspname, c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.conname = $1 AND k.contype = 'c' AND k.coninhcount = 0",
        constraint);
    for (int row = 0; row < found.rows(); ++row) {
        const qualified_name table{found.text(row, 0), found.text(row, 1)};
        co_await run_locked(
            at, table,
            fmt::format("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", table.sql(), quote_identifier(constraint)));
    }
}

namespace {

/// First what could have dependents outside: RESTRICT. What is left in the schemas is ours alone.
awaitable<std::string> removal_script(pg::connection& session, std::int64_t job) {
    const std::string schema = job_schema(job);
    const std::string passage = passage_schema(job);
    const std::string back = back_schema(job);
    const std::string again = again_schema(job);
    const pg::result tables = co_await session.query(
        "SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'm' FROM pg_class c JOIN pg_namespace n ON n.oid = "
        "c.relnamespace WHERE n.nspname IN ($1, $2, $3, $4) AND c.relkind IN ('r', 'p', 'm') ORDER BY c.relkind",
        schema, passage, back, again);
    // By which values are compared on the way back: their arguments are rows of tables of ours.
    const pg::result functions = co_await session.query(
        "SELECT string_agg(DISTINCT p.oid::regprocedure::text, ', ') FROM pg_proc p JOIN pg_namespace n ON n.oid = "
        "p.pronamespace JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = "
        "'pg_type'::regclass JOIN pg_class c ON c.reltype = d.refobjid AND c.relkind = 'r' JOIN pg_namespace o ON "
        "o.oid = c.relnamespace WHERE n.nspname IN ($1, $2, $3, $4) AND o.nspname IN ($1, $2, $3, $4)",
        schema, passage, back, again);
    std::string script;
    if (const auto own = functions.optional_text(0, 0)) {
        script += fmt::format("DROP FUNCTION {}; ", *own);
    }
    std::vector<std::string> names;
    std::vector<std::string> stored;
    for (int row = 0; row < tables.rows(); ++row) {
        (tables.boolean(row, 1) ? stored : names).push_back(tables.text(row, 0));
    }
    if (!stored.empty()) {
        script += fmt::format("DROP MATERIALIZED VIEW {}; ", join(stored, ", "));  // some may stand on others
    }
    if (!names.empty()) {
        script += fmt::format("DROP TABLE {}; ", join(names, ", "));  // at once: some may inherit from others
    }
    script += fmt::format(
        "DROP SCHEMA IF EXISTS {} CASCADE; DROP SCHEMA IF EXISTS {} CASCADE; DROP SCHEMA IF EXISTS {} CASCADE; "
        "DROP SCHEMA IF EXISTS {} CASCADE",
        quote_identifier(schema), quote_identifier(passage), quote_identifier(back), quote_identifier(again));
    co_return script;
}

awaitable<void> run_removal(pg::connection& session, job::tenure mine, std::string script) {
    // The old table's foreign keys go with it, which needs locks on tables that the application uses.
    const lock::policy rules;
    const auto ours = [&mine](pg::connection& used) { return job::require_tenure(used, mine); };
    std::optional<pg::sql_error> blocked;
    std::optional<pg::sql_error> refused;
    try {
        blocked = co_await lock::politely(session, std::move(script), rules, ours);
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        refused = problem;
    }
    if (refused) {
        co_await throw_not_dropped(session, *refused);
    }
    if (blocked) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("the tables of job {} found no moment to be dropped: {}", mine.job, blocked->what()),
                    fmt::format("nothing is captured any more; try again with: pgeist cleanup {}", mine.job));
    }
}

}  // namespace

awaitable<void> drop_own(task::undo_context& at) {
    std::string script = co_await removal_script(at.session, at.mine.job);
    script += fmt::format("; DELETE FROM pgeist.jobs WHERE id = {}", at.mine.job);
    co_await run_removal(at.session, at.mine, std::move(script));
}

awaitable<void> take_back(task::context& with, job::tenure mine, qualified_name table, std::int64_t table_oid) {
    const auto session = co_await with.pool.acquire();
    const bool triggers = co_await has_triggers(*session, mine.job, table_oid);
    if (triggers) {
        std::string script = drop_triggers_sql(mine.job, table);
        const place here{with.pool, *session, mine, with.observer};
        co_await run_locked_at(here, std::move(table), std::move(script));
    }
    std::string script = co_await removal_script(*session, mine.job);
    co_await run_removal(*session, mine, std::move(script));
}

}  // namespace pgeist::rewrite
