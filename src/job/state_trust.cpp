#include "pgeist/job/state_trust.hpp"

#include <optional>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist::job {

namespace {

constexpr const char* strangers_sql = R"sql(
    WITH RECURSIVE own AS (
        SELECT oid FROM pg_roles WHERE rolname IN (current_user, session_user)
        UNION
        SELECT m.roleid FROM pg_auth_members m JOIN own ON m.member = own.oid),
    believed AS (
        SELECT oid FROM own
        UNION SELECT oid FROM pg_roles WHERE rolsuper
        UNION SELECT datdba FROM pg_database WHERE datname = current_database()),
    things AS (
        SELECT 0 AS rank, oid AS schema, nspowner AS owner, 'schema pgeist' AS name FROM pg_namespace WHERE nspname = 'pgeist'
        UNION ALL
        SELECT 1, relnamespace, relowner, format('pgeist.%I', relname) FROM pg_class WHERE relnamespace = to_regnamespace('pgeist')
        UNION ALL
        SELECT 2, pronamespace, proowner, format('function pgeist.%I', proname) FROM pg_proc
         WHERE pronamespace = to_regnamespace('pgeist'))
    SELECT EXISTS (SELECT FROM things WHERE name = 'pgeist.jobs') AS present, -- to_regclass() needs a right on the schema
           (SELECT format('%s belongs to role %I', name, pg_get_userbyid(owner)) FROM things
             WHERE owner NOT IN (SELECT oid FROM believed) ORDER BY rank, name LIMIT 1) AS stranger)sql";

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

// Tables as pgeist makes them, and nothing in the way of an INSERT, UPDATE or DELETE that somebody has added: not even
// by functions of the server's, some of which execute any SQL. The view and the function beside them are not looked at.
constexpr const char* is_genuine_sql = R"sql(
    WITH own AS (SELECT * FROM pg_class WHERE relnamespace = to_regnamespace('pgeist')),
    tables AS (SELECT * FROM own WHERE relkind = 'r' AND relname IN ('jobs', 'chunks', 'events'))
    SELECT (SELECT count(*) FROM tables WHERE relpersistence = 'p' AND relam = (SELECT oid FROM pg_am WHERE amname = 'heap' AND oid < 16384)
                AND NOT relhasrules AND NOT relrowsecurity) = 3
           AND NOT EXISTS (SELECT FROM own WHERE relkind NOT IN ('r', 'i', 'S', 'v') OR (relkind = 'r' AND oid NOT IN (SELECT oid FROM tables)))
           AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM tables) AND (NOT tgisinternal OR tgfoid >= 16384))
           AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent IN (SELECT oid FROM tables) OR inhrelid IN (SELECT oid FROM tables))
           AND NOT EXISTS (SELECT FROM pg_statistic_ext WHERE stxrelid IN (SELECT oid FROM tables))
           AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid IN (SELECT oid FROM tables) AND a.attnum > 0
                              AND (a.atttypid >= 16384 OR a.attcollation >= 16384 OR a.attgenerated <> ''))
           AND NOT EXISTS (SELECT FROM pg_index i JOIN own x ON x.oid = i.indexrelid
                            WHERE i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR x.relam >= 16384
                               OR EXISTS (SELECT FROM unnest(i.indclass::oid[]) AS class WHERE class >= 16384))
           AND NOT EXISTS (SELECT FROM pg_attrdef d WHERE d.adrelid IN (SELECT oid FROM tables) AND pg_get_expr(d.adbin, d.adrelid) NOT IN (
                              '''prepare''::text', '''running''::text', '''{}''::jsonb', '0', 'SESSION_USER', 'clock_timestamp()', 'gen_random_uuid()',
                              '(EXTRACT(epoch FROM clock_timestamp()) * (1000000)::numeric)'))
           AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid IN (SELECT oid FROM tables) AND c.contype = 'c'
                              AND pg_get_constraintdef(c.oid) <> 'CHECK ((kind = ANY (ARRAY[''copy''::text, ''verify''::text])))'))sql";

struct standing {
    bool present = false;
    std::optional<std::string> stranger;  ///< what belongs to somebody who is not to be believed
};

awaitable<standing> look(pg::connection& session) {
    const pg::result row = co_await session.query(strangers_sql);
    standing found;
    found.present = row.boolean(0, "present");
    found.stranger = row.optional_text(0, "stranger");
    co_return found;
}

[[noreturn]] void refuse(const std::string& stranger) {
    throw error(exit_code::refused,
                fmt::format("{}, and what is in there could run with your rights: schema pgeist is believed if it "
                            "belongs to your own role, to one that yours is a member of, to the database's owner or to "
                            "a superuser, or if its tables are as pgeist makes them",
                            stranger),
                "connect as that role if the jobs are its own; if nobody needs them: DROP SCHEMA pgeist CASCADE");
}

}  // namespace

awaitable<bool> has_state_schema(pg::connection& session) {
    const standing found = co_await look(session);
    bool believed = !found.stranger;
    if (!believed && found.present) {
        const pg::result row = co_await session.query(is_genuine_sql);
        believed = row.boolean(0, 0);
    }
    if (!believed) {
        refuse(*found.stranger);
    }
    co_return found.present;
}

awaitable<bool> has_readable_jobs(pg::connection& session) {
    const standing found = co_await look(session);
    if (!found.stranger || !found.present) {
        co_return found.present;
    }
    bool readable = false;
    try {
        co_await session.execute(
            "SET LOCAL lock_timeout = '5s'; LOCK TABLE ONLY pgeist.jobs IN SHARE UPDATE EXCLUSIVE MODE");
        const pg::result row = co_await session.query(is_plain_sql);
        readable = !row.empty() && row.boolean(0, 0);
    } catch (const pg::sql_error& failure) {
        if (!failure.is(pg::sqlstate::insufficient_privilege) && !failure.is("42809")) {  // no table
            throw;
        }
    }
    if (!readable) {
        refuse(*found.stranger);
    }
    co_return true;
}

}  // namespace pgeist::job
