#include "pgeist/job/state_trust.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "state_standing.hpp"

namespace pgeist::job {

namespace {

// All that planning or running a SELECT could execute.
constexpr const char* is_plain_sql = R"sql(
    SELECT c.relkind = 'r' AND c.relam = (SELECT oid FROM pg_am WHERE amname = 'heap' AND oid < 16384)
           AND NOT c.relhasrules AND NOT c.relrowsecurity
           AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND (indexprs IS NOT NULL OR indpred IS NOT NULL))
           AND NOT EXISTS (SELECT FROM pg_statistic_ext WHERE stxrelid = c.oid)
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c')
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0
                              AND (a.atttypid >= 16384 OR a.attcollation >= 16384 OR a.attgenerated <> ''))
      FROM pg_class c WHERE c.oid = to_regclass('pgeist.jobs'))sql";

constexpr const char* may_lock_sql = R"sql(
    SELECT has_schema_privilege('pgeist', 'USAGE') AND coalesce(bool_and(has_table_privilege(oid, 'UPDATE, DELETE, TRUNCATE')), false)
      FROM pg_class WHERE relnamespace = to_regnamespace('pgeist') AND relname IN ('jobs', 'chunks', 'events', 'steps', 'files'))sql";

// Those that are there: version 5 has more than those before it.
constexpr const char* tables_sql = R"sql(
    SELECT string_agg(format('ONLY pgeist.%I', relname), ', ' ORDER BY relname) FROM pg_class
     WHERE relnamespace = to_regnamespace('pgeist') AND relkind = 'r'
       AND relname IN ('jobs', 'chunks', 'events', 'steps', 'files'))sql";

// A schema can be renamed, and another one take its place, without a lock on what is in it.
constexpr const char* keep_name_sql = "SELECT FROM pg_namespace WHERE nspname = 'pgeist' FOR SHARE";

// What the row says of its table, and the role that all of it belongs to.
constexpr const char* table_of_job_sql = R"sql(
    SELECT format('%I.%I', j.table_schema, j.table_name) AS name, coalesce(quote_ident(pg_get_userbyid(c.relowner)), '') AS role,
           CASE WHEN c.relkind = 'r' AND coalesce(o.relowner = c.relowner, true)
                 AND (j.blueprint IS NULL OR (j.blueprint #>> '{table,schema}' = j.table_schema
                      AND j.blueprint #>> '{table,name}' = j.table_name AND j.blueprint ->> 'source_oid' = j.table_oid::text
                      AND c.oid::text IN (j.blueprint ->> 'source_oid', j.blueprint ->> 'shadow_oid')))
                THEN c.relowner ELSE 0 END::bigint AS owner
      FROM ONLY pgeist.jobs j
      LEFT JOIN pg_namespace n ON n.nspname = j.table_schema
      LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = j.table_name
      LEFT JOIN pg_class o ON o.oid = j.table_oid
     WHERE j.id = $1)sql";

[[noreturn]] void refuse(const standing& found) {
    throw error(exit_code::refused,
                fmt::format("{}, and what is in there could run with your rights: schema pgeist is believed if it "
                            "is your own role's, or that of one that yours is a member of (but for a superuser), of a "
                            "superuser or of the database's owner, or if its tables are as pgeist makes them",
                            *found.stranger),
                found.remedy);
}

[[noreturn]] void refuse_to_execute(const standing& found, const std::string& table) {
    throw error(exit_code::refused,
                fmt::format("{}{}: what stands in schema pgeist is executed with the rights of who runs, resumes or "
                            "verifies a job, so only those may write there who may do what you may, or own the table",
                            *found.stranger, table),
                found.remedy);
}

/// `; table public.t belongs to role a`.
std::string and_table(const std::string& name, const std::string& role) {
    return role.empty() ? fmt::format("; there is no table {}", name)
                        : fmt::format("; table {} belongs to role {}", name, role);
}

/// What `job` is about, read while it stays so.
awaitable<void> read_table_of(pg::connection& session, std::int64_t job, pg::result& into) {
    const bool present = co_await guard_state(session);
    if (present) {
        into = co_await session.query(table_of_job_sql, job);
    }
}

}  // namespace

awaitable<bool> has_state_schema(pg::connection& session) {
    const standing found = co_await look_at_state(session);
    bool believed = !found.stranger;
    if (!believed && found.present) {
        believed = co_await is_genuine_state(session);
    }
    if (!believed) {
        refuse(found);
    }
    co_return found.present;
}

namespace {

awaitable<void> keep_name(pg::connection& session) {
    co_await session.execute(
        "SELECT set_config('lock_timeout', '5s', true) WHERE current_setting('lock_timeout') = '0'");
    const pg::result super = co_await session.query("SELECT current_setting('is_superuser') = 'on'");
    if (super.boolean(0, 0)) {
        co_await session.query(keep_name_sql);
    }
}

}  // namespace

awaitable<bool> has_readable_jobs(pg::connection& session) {
    const standing found = co_await look_at_state(session);
    if (!found.by_owner || !found.present) {
        co_return found.present;  // rights to write, and triggers, are nothing to who reads
    }
    bool readable = false;
    try {
        co_await keep_name(session);
        co_await session.execute("LOCK TABLE ONLY pgeist.jobs IN SHARE UPDATE EXCLUSIVE MODE");
        const pg::result row = co_await session.query(is_plain_sql);
        readable = !row.empty() && row.boolean(0, 0);
    } catch (const pg::sql_error& failure) {
        if (!failure.is(pg::sqlstate::insufficient_privilege) && !failure.is("42809")) {  // no table
            throw;
        }
    }
    if (!readable) {
        refuse(found);
    }
    co_return true;
}

awaitable<bool> guard_state(pg::connection& session) {
    const standing found = co_await look_at_state(session);
    if (!found.stranger) {
        co_return found.present;
    }
    bool genuine = false;
    if (found.present) {
        genuine = co_await is_genuine_state(session);
    }
    if (genuine) {
        const pg::result may = co_await session.query(may_lock_sql);
        if (may.boolean(0, 0)) {
            co_await keep_name(session);
            const pg::result tables = co_await session.query(tables_sql);
            co_await session.execute(fmt::format("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", tables.text(0, 0)));
            genuine = co_await is_genuine_state(session);
        }
    }
    if (!genuine) {
        refuse(found);
    }
    co_return true;
}

awaitable<bool> is_own_state(pg::connection& session) {
    const standing found = co_await look_at_state(session);
    co_return !found.stranger;
}

awaitable<void> require_own_state(pg::connection& session, std::int64_t table_oid) {
    const pg::result row = co_await session.query(
        "SELECT format('%I.%I', n.nspname, c.relname) AS name, quote_ident(pg_get_userbyid(c.relowner)) AS role, "
        "c.relowner::bigint AS owner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "
        "$1::bigint::oid",
        table_oid);
    const std::int64_t owner = row.empty() ? 0 : row.integer(0, "owner");
    const standing found = co_await look_at_state(session, owner);
    if (found.stranger) {
        refuse_to_execute(found, row.empty() ? "" : and_table(row.text(0, "name"), row.text(0, "role")));
    }
}

awaitable<void> require_own_state_of(pg::connection& session, std::int64_t job) {
    const bool own = co_await is_own_state(session);
    if (own) {
        co_return;
    }
    pg::result row;
    const auto reading = [&] { return read_table_of(session, job, row); };
    co_await pg::transaction(session, pg::isolation::read_committed, reading);
    if (row.empty()) {
        co_return;  // no such job
    }
    const standing found = co_await look_at_state(session, row.integer(0, "owner"));
    if (found.stranger) {
        refuse_to_execute(
            found, and_table(row.text(0, "name"), row.text(0, "role")) + fmt::format(", and job {} is for it", job));
    }
}

namespace {

awaitable<void> revoke(pg::connection& session) {
    const std::string sql = co_await revocations(session);
    if (!sql.empty()) {
        co_await session.execute(sql);
    }
}

}  // namespace

awaitable<void> repair_rights(pg::connection& session) {
    const std::string sql = co_await revocations(session);
    if (!sql.empty()) {
        const auto repair = [&] { return revoke(session); };
        co_await pg::transaction(session, pg::isolation::read_committed, repair);
    }
}

}  // namespace pgeist::job
