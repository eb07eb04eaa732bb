#include "pgeist/tasks/expand/contract.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "heritage.hpp"
#include "locked.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/fill/survey.hpp"
#include "pgeist/job/events.hpp"
#include "standing.hpp"
#include "store.hpp"
#include "sync_sql.hpp"

namespace pgeist::expand {

namespace {

// What a DROP COLUMN would refuse to drop, or would not take along.
constexpr const char* dependents_sql = R"(
    SELECT string_agg(DISTINCT replace(pg_describe_object(d.classid, d.objid, d.objsubid), 'rule _RETURN on ', ''), ', ') AS names
      FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::bigint::oid AND d.deptype = 'n' AND a.attname = ANY ($2::text[])
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid AND k.conrelid = d.refobjid))";

// Sequences that go with an old column, as serial makes them.
constexpr const char* sequences_sql = R"(
    SELECT s.oid::regclass::text AS name FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
      JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::bigint::oid AND d.deptype = 'a'
       AND a.attname = $2)";

// From PostgreSQL 18 on NOT NULL is a constraint with a name.
constexpr const char* not_null_sql = R"(
    WITH named AS (SELECT a.attname, k.conname FROM pg_constraint k
                     JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
                    WHERE k.conrelid = $1::bigint::oid AND k.contype = 'n')
    SELECT quote_ident(o.conname) AS old_name, quote_ident(n.conname) AS new_name FROM named o, named n
     WHERE o.attname = $2 AND n.attname = $3 AND o.conname <> n.conname)";

std::string alter_sql(const spec& plan) { return "ALTER TABLE " + plan.table.sql() + " "; }

std::vector<std::string> old_columns(const spec& plan) {
    const names now = names_of(plan);
    std::vector<std::string> all;
    for (const std::string& each : plan.replaced) {
        all.push_back(now(each));
    }
    return all;
}

awaitable<void> require_free(pg::connection& session, const spec& plan) {
    const std::string columns = pg::array_literal(old_columns(plan));
    const pg::result row = co_await session.query(dependents_sql, plan.source_oid, columns);
    if (!row.is_null(0, 0)) {
        throw error(exit_code::refused,
                    fmt::format("these use the old columns of {}: {}", plan.table.display(), row.text(0, 0)),
                    "change or drop them first; nothing was done");
    }
}

std::string described(const std::vector<bequest>& all) {
    std::vector<std::string> labels;
    for (const bequest& each : all) {
        labels.push_back(each.label);
    }
    return join(labels, ", ");
}

/// Takes those that a RENAME would have kept out of what is lost.
std::vector<bequest> take_rules(std::vector<bequest>& lost) {
    const auto others = std::stable_partition(lost.begin(), lost.end(), [](const bequest& each) { return each.rule; });
    std::vector<bequest> rules(lost.begin(), others);
    lost.erase(lost.begin(), others);
    return rules;
}

constexpr const char* mend_rules =
    "make one like it for the new columns, if rows are still to obey it, and drop the old one with ALTER TABLE … DROP "
    "CONSTRAINT";

void tell_lost(const std::vector<bequest>& lost, const spec& plan, report::observer& observer) {
    if (!lost.empty()) {
        observer.message(report::level::warning,
                         fmt::format("these go with the old columns of {}, and nothing takes their place: {}",
                                     plan.table.display(), described(lost)));
    }
}

/// A RENAME keeps every constraint: one of a renamed column goes only where the user has dropped it.
awaitable<void> require_none_lost(pg::connection& session, const spec& plan, report::observer& observer) {
    std::vector<bequest> lost = co_await left_behind(session, plan);
    const std::vector<bequest> rules = take_rules(lost);
    if (!rules.empty()) {
        throw error(exit_code::refused,
                    fmt::format("these would go with the old columns of {}, and nothing takes their place: {}",
                                plan.table.display(), described(rules)),
                    fmt::format("{}, then contract again; nothing was done", mend_rules));
    }
    tell_lost(lost, plan, observer);
}

awaitable<void> foretell_lost(pg::connection& session, const spec& plan, report::observer& observer) {
    std::vector<bequest> lost = co_await left_behind(session, plan);
    const std::vector<bequest> rules = take_rules(lost);
    tell_lost(lost, plan, observer);
    if (!rules.empty()) {
        observer.message(report::level::warning,
                         fmt::format("contract will be refused because of {}: {}", described(rules), mend_rules));
    }
}

/// What stands only in an old column would be lost with it.
awaitable<void> require_in_step(pg::connection& session, const spec& plan) {
    const names now = names_of(plan);
    fill::spec rows = fill::spec_from_json(*plan.fill);
    rows.table = plan.table;
    rows.sets = guarded_sets(plan, false);
    if (rows.sets.empty()) {
        co_return;  // no old column goes
    }
    for (walk::key_column& each : rows.key.columns) {
        each.read_name = now(each.read_name);
    }
    fill::survey found;
    std::optional<pg::sql_error> failed;
    try {
        found = co_await fill::look_over(session, std::move(rows));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->blames_data()) {
        throw error(exit_code::verification_failed,
                    fmt::format("--up or --down fails for a row of {}: {}", plan.table.display(), failed->what()),
                    "mend the row, then contract again; nothing was done");
    }
    if (failed) {
        throw *failed;
    }
    if (found.differing > 0) {
        throw error(
            exit_code::verification_failed,
            fmt::format("{} rows of {} have old and new columns that do not agree: {}", found.differing,
                        plan.table.display(), join(found.keys, "; ")),
            "something has kept the trigger from them; set the side that is wrong, then contract again; nothing "
            "was done");
    }
}

/// Renames the old columns out of sight, or back, and the trigger follows.
awaitable<void> hide(pg::connection& session, std::int64_t job, spec plan, bool hidden) {
    plan.trial = hidden;
    for (const std::string& each : plan.replaced) {
        const std::string from = hidden ? each : plan.hidden_name(each);
        const std::string to = hidden ? plan.hidden_name(each) : each;
        co_await session.execute(
            fmt::format("{}RENAME COLUMN {} TO {}", alter_sql(plan), quote_identifier(from), quote_identifier(to)));
    }
    co_await store_with_function(session, job, plan);
    const std::string event = hidden ? "contract tried" : "contract undone";
    co_await job::add_event(session, job, event, "");
}

awaitable<void> lead_sequences(pg::connection& session, const spec& plan) {
    const names now = names_of(plan);
    for (const auto& [old_name, new_name] : plan.renamed) {
        const pg::result owned = co_await session.query(sequences_sql, plan.source_oid, now(old_name));
        for (int row = 0; row < owned.rows(); ++row) {
            co_await session.execute(fmt::format("ALTER SEQUENCE {} OWNED BY {}.{}", owned.text(row, 0),
                                                 plan.table.sql(), quote_identifier(new_name)));
        }
    }
    for (const added_column& each : plan.added) {
        if (each.default_later && each.default_value) {
            co_await session.execute(fmt::format("{}ALTER COLUMN {} SET DEFAULT {}", alter_sql(plan),
                                                 quote_identifier(each.name), *each.default_value));
        }
    }
}

constexpr const char* is_there_sql =
    "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = $1::bigint::oid "
    "AND x.relname = $2) AS is_index, EXISTS (SELECT FROM pg_constraint WHERE conrelid = $1::bigint::oid AND conname = "
    "$2) AS is_constraint";

/// What took the place of something of a renamed column gets its name, as ALTER TABLE … RENAME COLUMN leaves it; as far
/// as nobody has dropped it.
awaitable<void> take_names(pg::connection& session, const spec& plan) {
    for (const twin_index& each : plan.indexes) {
        const qualified_name index{plan.table.schema, each.name};
        const pg::result there = co_await session.query(is_there_sql, plan.source_oid, each.name);
        if (!there.boolean(0, "is_index")) {
            continue;
        }
        const std::string name = each.old_name.empty() ? each.name : each.old_name;
        if (there.boolean(0, "is_constraint")) {
            if (name != each.name) {
                co_await session.execute(fmt::format("{}RENAME CONSTRAINT {} TO {}", alter_sql(plan),
                                                     quote_identifier(each.name), quote_identifier(name)));
            }
        } else if (!each.constraint.empty() && !plan.partitioned) {
            co_await session.execute(fmt::format("{}ADD CONSTRAINT {} {} USING INDEX {}", alter_sql(plan),
                                                 quote_identifier(name), each.constraint, quote_identifier(each.name)));
        } else if (name != each.name) {
            co_await session.execute(fmt::format("ALTER INDEX {} RENAME TO {}", index.sql(), quote_identifier(name)));
        }
    }
    for (const twin_constraint& each : plan.constraints) {
        const pg::result there = co_await session.query(is_there_sql, plan.source_oid, each.name);
        if (!each.old_name.empty() && there.boolean(0, "is_constraint")) {
            co_await session.execute(fmt::format("{}RENAME CONSTRAINT {} TO {}", alter_sql(plan),
                                                 quote_identifier(each.name), quote_identifier(each.old_name)));
        }
    }
}

/// What gives the NOT NULLs of renamed columns the names that the old columns' have, once those are gone.
awaitable<std::string> not_null_names(pg::connection& session, const spec& plan) {
    const names now = names_of(plan);
    std::string sql;
    for (const auto& [old_name, new_name] : plan.renamed) {
        const std::string old_now = now(old_name);
        const pg::result found = co_await session.query(not_null_sql, plan.source_oid, old_now, new_name);
        if (!found.empty()) {
            sql += fmt::format("{}RENAME CONSTRAINT {} TO {}; ", alter_sql(plan), found.text(0, "new_name"),
                               found.text(0, "old_name"));
        }
    }
    co_return sql;
}

awaitable<void> drop_old(pg::connection& session, std::int64_t job, spec plan) {
    co_await require_free(session, plan);
    co_await session.execute(
        fmt::format("DROP TRIGGER IF EXISTS {} ON {}", quote_identifier(plan.trigger), plan.table.sql()));
    co_await lead_sequences(session, plan);
    const std::string renames = co_await not_null_names(session, plan);
    const std::vector<std::string> heritage = co_await read_heritage(session, plan);
    std::string drops;
    for (const std::string& each : old_columns(plan)) {
        drops += fmt::format("{}DROP COLUMN {}", drops.empty() ? "" : ", ", quote_identifier(each));
    }
    if (!drops.empty()) {
        co_await session.execute(alter_sql(plan) + drops);
    }
    if (!renames.empty()) {
        co_await session.execute(renames);
    }
    co_await take_names(session, plan);
    for (const std::string& each : heritage) {
        co_await session.execute(each);
    }
    // What is in there is the job's alone: trigger function, counter, functions of --up and --down.
    co_await session.execute(fmt::format("DROP SCHEMA {} CASCADE", quote_identifier(plan.job_schema)));
    plan.contracted = true;
    plan.trial = false;
    co_await job::change_plan(session, job, to_json(plan));
    co_await job::add_event(session, job, "contracted", "");
}

/// Under the lock: nothing changes any more.
awaitable<void> do_it(pg::connection& session, std::int64_t job, spec plan, contraction what) {
    const qualified_name locked = plan.table;
    co_await require_whole(session, job, plan);
    if (!(plan.table == locked)) {
        throw error(exit_code::refused,
                    fmt::format("{} has just been renamed to {}", locked.display(), plan.table.display()),
                    "nothing was done; give the command again");
    }
    switch (what) {
        case contraction::try_it:
            co_await hide(session, job, std::move(plan), true);
            break;
        case contraction::undo:
            co_await hide(session, job, std::move(plan), false);
            break;
        case contraction::carry_out:
            co_await drop_old(session, job, std::move(plan));
            break;
    }
}

void require_expanded(const job::record& job, const spec& plan, contraction what) {
    if (plan.contracted) {
        throw error(exit_code::refused, fmt::format("job {} is contracted already", job.id), "");
    }
    if (job.phase != "expanded") {
        throw error(exit_code::refused, fmt::format("job {} is not expanded yet", job.id),
                    fmt::format("go on with it first: pgeist resume {}", job.id));
    }
    if (what == contraction::undo && !plan.trial) {
        throw error(exit_code::refused, fmt::format("the old columns of job {} are in sight", job.id),
                    "there is nothing to undo");
    }
    if (what != contraction::carry_out && plan.replaced.empty()) {
        throw error(exit_code::refused, fmt::format("job {} replaces no column: it has no --down", job.id), "");
    }
}

std::string outcome(const job::record& job, const spec& plan, contraction what) {
    switch (what) {
        case contraction::try_it:
            return fmt::format(
                "the old columns of {0} are out of sight, and kept in step; put them back with: pgeist "
                "contract {1} --undo; drop them with: pgeist contract {1}",
                plan.table.display(), job.id);
        case contraction::undo:
            return fmt::format("the old columns of {} are back", plan.table.display());
        case contraction::carry_out:
            break;
    }
    return fmt::format("{} is contracted: the old columns and the trigger are gone", plan.table.display());
}

}  // namespace

awaitable<void> contract(pg::pool& pool, const job::record& job, contraction what, report::observer& observer) {
    spec plan = spec_from_json(*job.plan);
    require_expanded(job, plan, what);
    if (what == contraction::try_it && plan.trial) {
        observer.message(report::level::info, outcome(job, plan, what));
        co_return;
    }
    const auto session = co_await pool.acquire();
    co_await require_whole(*session, job.id, plan);
    if (what == contraction::carry_out) {
        co_await require_free(*session, plan);  // before anybody has to wait for us
        co_await require_none_lost(*session, plan, observer);
        const auto looking = co_await pool.acquire();
        co_await require_in_step(*looking, plan);
    }
    if (what == contraction::try_it) {
        co_await foretell_lost(*session, plan, observer);
    }
    const job::tenure mine{job.id, job.incarnation};
    const std::function<awaitable<void>(pg::connection&)> body = [&](pg::connection& used) {
        return do_it(used, job.id, plan, what);
    };
    std::optional<pg::sql_error> failed;
    try {
        co_await run_locked(pool, *session, plan.table, mine, &job.settings, observer, body);
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->is("2BP01")) {
        throw error(exit_code::refused,
                    fmt::format("these use the old columns of {}: {}", plan.table.display(), failed->diag().detail),
                    "change or drop them first; nothing was done");
    }
    if (failed) {
        throw *failed;
    }
    observer.message(report::level::info, outcome(job, plan, what));
}

}  // namespace pgeist::expand
