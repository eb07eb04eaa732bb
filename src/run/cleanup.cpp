#include <optional>

#include <fmt/format.h>

#include "own_objects.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/lock/politely.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/run/cleanup.hpp"
#include "pgeist/run/commands.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "unfinished.hpp"

namespace pgeist::run {

namespace {

struct leftovers {
    std::int64_t job = 0;
    bool own_state = false;
    std::string table_as_noted;
    std::string state_owner;
    bool half_done = false;  ///< swapped, and not finished
    qualified_name table;
    std::int64_t table_oid = 0;
    std::string job_schema;
    std::string passage_schema;
};

constexpr const char* left_behind_sql = R"sql(
    SELECT j.table_oid::bigint AS table_oid, n.nspname, c.relname, format('%I.%I', j.table_schema, j.table_name) AS noted,
           j.phase = 'finish' AND j.state <> 'done' AS half_done,
           (SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = 'pgeist') AS state_owner
      FROM pgeist.jobs j LEFT JOIN pg_class c ON c.oid = j.table_oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE j.id = $1)sql";

/// Reads what cleanup needs without the blueprint, which may be of another version.
awaitable<void> read_leftovers(pg::connection& session, std::int64_t job, leftovers& left) {
    const pg::result row = co_await session.query(left_behind_sql, job);
    if (row.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", job),
                    "list the jobs with: pgeist status");
    }
    left.job = job;
    left.table_as_noted = row.text(0, "noted");
    left.half_done = row.boolean(0, "half_done");
    left.state_owner = row.text(0, "state_owner");
    left.table.schema = row.text(0, "nspname");  // empty when the table is gone
    left.table.name = row.text(0, "relname");
    left.table_oid = row.integer(0, "table_oid");
    left.job_schema = fmt::format("pgeist_{}", job);
    left.passage_schema = fmt::format("pgeist_{}_old", job);
}

// Schemas named as a job's, where the number comes from somebody else's row.
constexpr const char* strange_schema_sql = R"sql(
    SELECT quote_ident(nspname) AS name, quote_ident(pg_get_userbyid(nspowner)) AS owner FROM pg_namespace
     WHERE nspname IN ($1, $2)
       AND pg_get_userbyid(nspowner) NOT IN (current_user, session_user)
       AND nspowner NOT IN (SELECT nspowner FROM pg_namespace WHERE nspname = 'pgeist')
       AND nspowner NOT IN (SELECT relowner FROM pg_class WHERE oid = $3::bigint::oid)
     ORDER BY 1 LIMIT 1)sql";

/// What makes the clean-up of a job in somebody else's state one that only its owner can do.
awaitable<void> require_cleanable(pg::connection& session, const leftovers& left) {
    if (left.own_state) {
        co_return;
    }
    if (left.half_done) {
        throw not_finished(
            exit_code::refused,
            fmt::format("job {} has swapped {} and not finished, and what is left to do stands in schema pgeist of "
                        "role {}: it is not executed with your rights",
                        left.job, left.table_as_noted, left.state_owner),
            fmt::format("connect as role {} and finish it with: pgeist resume {}", left.state_owner, left.job));
    }
    const pg::result strange =
        co_await session.query(strange_schema_sql, left.job_schema, left.passage_schema, left.table_oid);
    if (!strange.empty()) {
        throw error(exit_code::refused,
                    fmt::format("schema {} belongs to role {}, and job {} is role {}'s: nothing of it was removed",
                                strange.text(0, "name"), strange.text(0, "owner"), left.job, left.state_owner),
                    fmt::format("look what is in there; if nobody needs it: DROP SCHEMA {} CASCADE, then try again",
                                strange.text(0, "name")));
    }
}

awaitable<bool> has_triggers(pg::connection& session, const leftovers& left) {
    const pg::result row = co_await session.query(
        "SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = $1::bigint::oid AND NOT tgisinternal AND tgname LIKE "
        "$2)",
        left.table_oid, fmt::format("pgeist\\_{}\\_%", left.job));
    co_return row.boolean(0, 0);
}

awaitable<void> run_script(pg::connection& session, const std::string& sql) { co_await session.execute(sql); }

/// Runs `sql` under the lock that the open transaction holds, and commits.
awaitable<void> conclude_script(pg::connection& session, job::tenure mine, std::string sql) {
    const auto script = [&] { return run_script(session, sql); };
    co_await job::conclude_in_tenure(session, mine, script);
}

/// Takes the triggers off the live table: ACCESS EXCLUSIVE, by the polite protocol.
awaitable<void> drop_triggers(pg::connection& session, pg::connection& observer_session, const leftovers& left,
                              job::tenure mine, report::observer& observer) {
    lock::target target;
    target.tables.push_back(left.table);
    lock::policy rules;
    co_await lock::fit_to_server(session, rules);
    co_await lock::acquire(session, observer_session, target, rules, on_blocked::wait, observer);
    transfer::spec names;
    names.schema = left.job_schema;
    co_await conclude_script(session, mine, capture::drop_triggers_sql(names, left.table));
}

/// Takes away the constraint that a run puts on a DEFAULT partition just before the swap; its partitions have it too.
awaitable<void> drop_sibling_constraint(pg::connection& session, pg::connection& observer_session,
                                        const leftovers& left, job::tenure mine, report::observer& observer) {
    const std::string constraint = left.job_schema + "_bound";
    const pg::result found = co_await session.query(
        "SELECT n.nspname, c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE k.conname = $1 AND k.contype = 'c' AND k.coninhcount = 0",
        constraint);
    for (int row = 0; row < found.rows(); ++row) {
        const qualified_name table{found.text(row, 0), found.text(row, 1)};
        lock::target target;
        target.tables.push_back(table);
        lock::policy rules;
        co_await lock::fit_to_server(session, rules);
        co_await lock::acquire(session, observer_session, target, rules, on_blocked::wait, observer);
        co_await conclude_script(
            session, mine,
            fmt::format("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}", table.sql(), quote_identifier(constraint)));
    }
}

awaitable<void> drop_everything(pg::connection& session, const leftovers& left, job::tenure mine) {
    // First what could have dependents outside: RESTRICT. What is left in the schemas is ours alone.
    const pg::result tables = co_await session.query(
        "SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'm' FROM pg_class c JOIN pg_namespace n ON n.oid = "
        "c.relnamespace WHERE n.nspname IN ($1, $2) AND c.relkind IN ('r', 'p', 'm') ORDER BY c.relkind",
        left.job_schema, left.passage_schema);
    std::string script;
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
        "DROP SCHEMA IF EXISTS {} CASCADE; DROP SCHEMA IF EXISTS {} CASCADE; DELETE FROM pgeist.jobs WHERE id = {}",
        quote_identifier(left.job_schema), quote_identifier(left.passage_schema), left.job);
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
                    fmt::format("the tables of job {} found no moment to be dropped: {}", left.job, blocked->what()),
                    fmt::format("nothing is captured any more; try again with: pgeist cleanup {}", left.job));
    }
}

awaitable<void> drop_state(pg::connection& session) {
    static_cast<void>(co_await job::guard_state(session));
    co_await session.execute("LOCK TABLE pgeist.jobs IN ACCESS EXCLUSIVE MODE NOWAIT");
    const pg::result row = co_await session.query("SELECT EXISTS (SELECT FROM pgeist.jobs)");
    if (!row.boolean(0, 0)) {
        co_await session.execute("DROP SCHEMA pgeist CASCADE");
    }
}

/// The state schema goes with its last job, so that nothing of pgeist is left in the database.
awaitable<void> drop_state_if_unused(pg::connection& session) {
    const auto removal = [&] { return drop_state(session); };
    try {
        co_await pg::transaction(session, pg::isolation::read_committed, removal);
    } catch (const pg::sql_error&) {
        co_return;  // somebody uses it, or it may not be dropped by us: it stays
    }
}

awaitable<void> begin(pg::connection& session, std::int64_t job, job::tenure& mine) {
    mine = co_await job::begin_tenure(session, job);
}

}  // namespace

awaitable<void> clean_job(pg::pool& pool, job::advisory_locks& hold, std::int64_t job, report::observer& observer) {
    pool.close_idle();  // ours may have the name of the orphans
    pool.name_sessions("pgeist");
    co_await job::bring_state_up_to_date(hold.session());
    const auto session = co_await pool.acquire();
    leftovers left;
    left.own_state = co_await job::is_own_state(*session);
    const auto reading = [&] { return read_leftovers(*session, job, left); };
    co_await job::guarded(*session, reading);
    const auto job_holder = co_await hold.take_job(job);
    if (job_holder) {
        job::throw_held(fmt::format("job {}", job), *job_holder);
    }
    co_await require_cleanable(*session, left);
    co_await job::end_orphans(*session, job);
    // A run that has lost its hold without knowing must not put its triggers back; and should ours be lost, whoever
    // takes the job on then must keep what is his: each transaction below looks whether the job is still ours.
    co_await session->execute("SET lock_timeout = '60s'");
    job::tenure mine;
    const auto beginning = [&] { return begin(*session, job, mine); };
    co_await job::guarded(*session, beginning);
    mine.guarded = !left.own_state;
    if (left.own_state) {
        co_await finish_what_was_swapped(*session, mine, observer);
    }
    const bool triggers = co_await has_triggers(*session, left);
    if (triggers) {
        const auto table_holder = co_await hold.take_table(left.table_oid);
        if (table_holder) {
            job::throw_held(fmt::format("table {}", left.table.display()), *table_holder);
        }
        const auto observer_session = co_await pool.acquire();
        co_await drop_triggers(*session, *observer_session, left, mine, observer);
    }
    {
        const auto observer_session = co_await pool.acquire();
        co_await drop_sibling_constraint(*session, *observer_session, left, mine, observer);
    }
    co_await drop_everything(*session, left, mine);
    observer.message(report::level::info, fmt::format("job {} is cleaned up", job));
}

awaitable<void> clean_state(pg::pool& pool) {
    const auto session = co_await pool.acquire();
    co_await drop_state_if_unused(*session);
}

}  // namespace pgeist::run
