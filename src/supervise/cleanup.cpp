#include "pgeist/supervise/cleanup.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/files.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/transaction.hpp"

namespace pgeist::supervise {

namespace {

/// What the job's row says, whatever version of pgeist has written its plan.
struct leftovers {
    std::int64_t table_oid = 0;
    qualified_name table;  ///< the user's, as it is called now; without names when it is gone
    std::string table_as_noted;
    std::string phase;
    std::string state;
    std::string state_owner;
};

constexpr const char* left_behind_sql = R"sql(
    SELECT j.table_oid::bigint AS table_oid, n.nspname, c.relname, format('%I.%I', j.table_schema, j.table_name) AS noted,
           j.phase, j.state,
           (SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = 'pgeist') AS state_owner
      FROM pgeist.jobs j LEFT JOIN pg_class c ON c.oid = j.table_oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE j.id = $1)sql";

awaitable<leftovers> read_leftovers(pg::connection& session, std::int64_t job) {
    const pg::result row = co_await session.query(left_behind_sql, job);
    if (row.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", job),
                    "list the jobs with: pgeist status");
    }
    leftovers left;
    left.table_oid = row.integer(0, "table_oid");
    left.table.schema = row.text(0, "nspname");
    left.table.name = row.text(0, "relname");
    left.table_as_noted = row.text(0, "noted");
    left.phase = row.text(0, "phase");
    left.state = row.text(0, "state");
    left.state_owner = row.text(0, "state_owner");
    co_return left;
}

// Schemas named as a job's, where the number comes from somebody else's row.
constexpr const char* strange_schema_sql = R"sql(
    SELECT quote_ident(nspname) AS name, quote_ident(pg_get_userbyid(nspowner)) AS owner FROM pg_namespace
     WHERE nspname = ANY ($1::text[])
       AND pg_get_userbyid(nspowner) NOT IN (current_user, session_user)
       AND nspowner NOT IN (SELECT nspowner FROM pg_namespace WHERE nspname = 'pgeist')
       AND nspowner NOT IN (SELECT relowner FROM pg_class WHERE oid = $2::bigint::oid)
     ORDER BY 1 LIMIT 1)sql";

/// What makes the clean-up of a job in somebody else's state one that only its owner can do.
awaitable<void> require_cleanable(pg::connection& session, const task::kind& kind, std::int64_t job,
                                  const leftovers& left) {
    const task::phase& reached = kind.phase_named(left.phase);
    if (reached.in_effect && !kind.is_done(reached) && left.state != "done") {
        throw error(
            exit_code::refused,
            fmt::format("job {} has swapped {} and not finished, and what is left to do stands in schema pgeist of "
                        "role {}: it is not executed with your rights",
                        job, left.table_as_noted, left.state_owner),
            fmt::format("connect as role {} and finish it with: pgeist resume {}", left.state_owner, job));
    }
    const std::string schemas = pg::array_literal(kind.own_schemas(job));
    const pg::result strange = co_await session.query(strange_schema_sql, schemas, left.table_oid);
    if (!strange.empty()) {
        throw error(exit_code::refused,
                    fmt::format("schema {} belongs to role {}, and job {} is role {}'s: nothing of it was removed",
                                strange.text(0, "name"), strange.text(0, "owner"), job, left.state_owner),
                    fmt::format("look what is in there; if nobody needs it: DROP SCHEMA {} CASCADE, then try again",
                                strange.text(0, "name")));
    }
}

awaitable<void> drop_state(pg::connection& session) {
    static_cast<void>(co_await job::guard_state(session));
    co_await session.execute("LOCK TABLE pgeist.jobs IN ACCESS EXCLUSIVE MODE NOWAIT");
    const pg::result row = co_await session.query("SELECT EXISTS (SELECT FROM pgeist.jobs)");
    const bool history = co_await job::has_history(session);
    if (!row.boolean(0, 0) && !history) {
        co_await session.execute("DROP SCHEMA pgeist CASCADE");
    }
}

/// The state schema goes with its last job, so that nothing of pgeist is left in the database; but for the history of
/// migration files, which are not to be run again.
awaitable<void> drop_state_if_unused(pg::connection& session) {
    const auto removal = [&] { return drop_state(session); };
    try {
        co_await pg::transaction(session, pg::isolation::read_committed, removal);
    } catch (const pg::sql_error&) {
        co_return;  // somebody uses it, or it may not be dropped by us: it stays
    }
}

}  // namespace

awaitable<void> clean_job(pg::pool& pool, job::advisory_locks& hold, const task::kind& kind, std::int64_t job,
                          report::observer& observer) {
    pool.close_idle();  // ours may have the name of the orphans
    pool.name_sessions("pgeist");
    co_await job::bring_state_up_to_date(hold.session());
    const auto session = co_await pool.acquire();
    const bool own_state = co_await job::is_own_state(*session);
    co_await job::claim_job(hold, job);
    const auto reading = [&] { return read_leftovers(*session, job); };
    const leftovers left = co_await job::guarded(*session, reading);  // now: a run may just have ended
    if (!own_state) {
        co_await require_cleanable(*session, kind, job, left);
    }
    co_await job::end_orphans(*session, job);
    // A run that has lost its hold without knowing must not make its objects anew; and should ours be lost, whoever
    // takes the job on then must keep what is his: each transaction of an undo looks whether the job is still ours.
    co_await session->execute("SET lock_timeout = '60s'");
    const auto beginning = [&] { return job::begin_tenure(*session, job); };
    job::tenure mine = co_await job::guarded(*session, beginning);
    mine.guarded = !own_state;
    const auto keeping = [&] { return job::keep_file(*session, job); };
    co_await job::guarded(*session, keeping);
    task::undo_context at{pool, *session, hold, mine, own_state, left.table, left.table_oid, observer};
    for (auto phase = kind.phases().rbegin(); phase != kind.phases().rend(); ++phase) {
        if (phase->undo != nullptr) {
            co_await phase->undo(at);
        }
    }
    observer.message(report::level::info, fmt::format("job {} is cleaned up", job));
}

awaitable<void> clean_state(pg::pool& pool) {
    const auto session = co_await pool.acquire();
    co_await drop_state_if_unused(*session);
}

}  // namespace pgeist::supervise
