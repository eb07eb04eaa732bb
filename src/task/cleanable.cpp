#include "pgeist/task/cleanable.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist::task {

namespace {

constexpr const char* left_behind_sql = R"sql(
    SELECT j.table_oid::bigint AS table_oid, n.nspname, c.relname, format('%I.%I', j.table_schema, j.table_name) AS noted,
           j.phase, j.state,
           (SELECT quote_ident(pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = 'pgeist') AS state_owner
      FROM pgeist.jobs j LEFT JOIN pg_class c ON c.oid = j.table_oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE j.id = $1)sql";

// Schemas named as a job's, where the number comes from somebody else's row, as does the table. Our own are of a job of
// his only if that was about a table of his: on others none was run.
constexpr const char* strange_schema_sql = R"sql(
    SELECT quote_ident(nspname) AS name, quote_ident(pg_get_userbyid(nspowner)) AS owner FROM pg_namespace
     WHERE nspname = ANY ($1::text[])
       AND nspowner NOT IN (SELECT nspowner FROM pg_namespace WHERE nspname = 'pgeist')
       AND (nspowner NOT IN (SELECT relowner FROM pg_class WHERE oid = $2::bigint::oid)
            OR pg_get_userbyid(nspowner) IN (current_user, session_user))
       AND NOT (pg_get_userbyid(nspowner) IN (current_user, session_user)
                AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace s ON s.nspowner = c.relowner
                             WHERE c.oid = $2::bigint::oid AND s.nspname = 'pgeist'))
     ORDER BY 1 LIMIT 1)sql";

}  // namespace

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

awaitable<void> require_cleanable(pg::connection& session, const kind& kind, std::int64_t job, const leftovers& left) {
    const phase& reached = kind.phase_named(left.phase);
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

}  // namespace pgeist::task
