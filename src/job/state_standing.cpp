#include "state_standing.hpp"

#include <fmt/format.h>

namespace pgeist::job {

namespace {

// Memberships count if another role has given them than the one that is joined: before PostgreSQL 15 every login may
// make others members of itself.
std::string believed_sql(std::int64_t also) {
    constexpr const char* sql = R"sql(
    mighty AS (
        SELECT oid FROM pg_roles WHERE rolsuper
        UNION
        SELECT m.member FROM pg_auth_members m JOIN mighty ON m.roleid = mighty.oid),
    me AS (SELECT oid FROM pg_roles WHERE rolname IN (current_user, session_user)),
    mine AS (
        SELECT oid FROM me
        UNION
        SELECT m.roleid FROM pg_auth_members m JOIN mine ON m.member = mine.oid WHERE m.grantor <> m.roleid),
    believed AS (
        SELECT oid FROM me UNION SELECT oid FROM mighty UNION SELECT {also}::oid WHERE {also} <> 0 -- PUBLIC
        UNION
        SELECT oid FROM (SELECT oid FROM mine UNION SELECT datdba FROM pg_database WHERE datname = current_database()) AS others
         WHERE NOT EXISTS (SELECT FROM me JOIN mighty USING (oid))))sql";
    return fmt::format(sql, fmt::arg("also", also));
}

// What lets a role write, or hang something on the tables. To ask for something is UPDATE (control) and INSERT on
// events.
constexpr const char* rights_sql = R"sql(
    tables AS (
        SELECT oid, relname, relowner, relacl FROM pg_class
         WHERE relnamespace = to_regnamespace('pgeist') AND relkind = 'r' AND relname IN ('jobs', 'chunks', 'events', 'steps', 'files')),
    rights AS (
        SELECT 'SCHEMA pgeist' AS name, x.grantee, x.privilege_type AS privilege, NULL::oid AS relation
          FROM pg_namespace n CROSS JOIN aclexplode(n.nspacl) AS x
         WHERE n.nspname = 'pgeist' AND x.privilege_type = 'CREATE'
        UNION ALL
        SELECT format('pgeist.%I', t.relname), x.grantee, x.privilege_type, t.oid
          FROM tables t CROSS JOIN aclexplode(t.relacl) AS x
         WHERE x.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER')
           AND NOT (t.relname = 'events' AND x.privilege_type = 'INSERT')
        UNION ALL
        SELECT format('pgeist.%I', t.relname), x.grantee, format('%s (%I)', x.privilege_type, a.attname), t.oid
          FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid CROSS JOIN aclexplode(a.attacl) AS x
         WHERE x.privilege_type <> 'SELECT' AND NOT (t.relname = 'events' AND x.privilege_type = 'INSERT')
           AND NOT (t.relname = 'jobs' AND a.attname = 'control' AND x.privilege_type = 'UPDATE')),
    foreign_rights AS (
        SELECT r.*, CASE WHEN r.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.grantee)) END AS role
          FROM rights r WHERE r.grantee NOT IN (SELECT oid FROM believed)))sql";

// Things that others can hang on tables by their rights alone: what stays when these are taken away.
constexpr const char* attached_sql = R"sql(
    attached AS (
        SELECT format('trigger %I on pgeist.%I executes what others have made', g.tgname, t.relname) AS what,
               format('look at what it does, then: DROP TRIGGER %I ON pgeist.%I', g.tgname, t.relname) AS remedy
          FROM pg_trigger g JOIN tables t ON t.oid = g.tgrelid JOIN pg_proc f ON f.oid = g.tgfoid
         WHERE NOT g.tgisinternal
           AND (f.proowner NOT IN (SELECT oid FROM believed)
                OR EXISTS (SELECT FROM pg_depend d JOIN pg_proc u ON u.oid = d.refobjid
                            WHERE d.classid = 'pg_trigger'::regclass AND d.objid = g.oid AND d.refclassid = 'pg_proc'::regclass
                              AND u.proowner NOT IN (SELECT oid FROM believed))
                OR EXISTS (SELECT FROM foreign_rights r WHERE r.relation = t.oid AND r.privilege = 'TRIGGER'))
        UNION ALL
        SELECT format('a foreign key of %s, which belongs to role %I, leads to pgeist.%I', k.conrelid::regclass,
                      pg_get_userbyid(c.relowner), t.relname),
               format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname)
          FROM pg_constraint k JOIN tables t ON t.oid = k.confrelid JOIN pg_class c ON c.oid = k.conrelid
         WHERE k.contype = 'f' AND k.conrelid NOT IN (SELECT oid FROM tables)
           AND c.relowner NOT IN (SELECT oid FROM believed)))sql";

constexpr const char* verdict_sql = R"sql(
    things AS (
        SELECT 0 AS rank, nspowner AS owner, 'schema pgeist' AS name FROM pg_namespace WHERE nspname = 'pgeist'
        UNION ALL
        SELECT 1, relowner, format('pgeist.%I', relname) FROM pg_class WHERE relnamespace = to_regnamespace('pgeist')
        UNION ALL
        SELECT 2, proowner, format('function pgeist.%I', proname) FROM pg_proc WHERE pronamespace = to_regnamespace('pgeist')),
    doubts AS (
        SELECT rank, name, format('%s belongs to role %I', name, pg_get_userbyid(owner)) AS what,
               format('connect as role %I if the jobs are its own; if nobody needs them: pgeist cleanup --all, or DROP SCHEMA '
                      'pgeist CASCADE', pg_get_userbyid(owner)) AS remedy
          FROM things WHERE owner NOT IN (SELECT oid FROM believed)
        UNION ALL
        SELECT 3, what, what, remedy FROM attached
        UNION ALL
        SELECT 4, name, format('role %s has the right %s on %s', role, privilege, name),
               format('REVOKE %s ON %s FROM %s; to steer jobs it needs no more than UPDATE (control) on pgeist.jobs and '
                      'INSERT on pgeist.events', privilege, name, role)
          FROM foreign_rights)
    SELECT EXISTS (SELECT FROM things WHERE name = 'pgeist.jobs') AS present, -- to_regclass() needs a right on the schema
           d.what, d.remedy, coalesce(d.rank <= 2, false) AS by_owner
      FROM (SELECT) AS one LEFT JOIN LATERAL (SELECT * FROM doubts ORDER BY rank, name, what LIMIT 1) AS d ON true)sql";

// Whose owner is the session's role, or one whose rights it has. A superuser leaves the state of others as it is.
constexpr const char* revocations_sql = R"sql(
    SELECT coalesce(string_agg(DISTINCT format('REVOKE %s ON %s FROM %s CASCADE', r.privilege, r.name, r.role), '; '), '')
      FROM foreign_rights r
     WHERE NOT EXISTS (SELECT FROM tables t WHERE t.relowner NOT IN (SELECT oid FROM believed)
                          OR NOT pg_has_role(t.relowner, 'USAGE'))
       AND EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'pgeist' AND n.nspowner IN (SELECT oid FROM believed)
                      AND pg_has_role(n.nspowner, 'USAGE'))
       AND EXISTS (SELECT FROM foreign_rights o WHERE o.grantee = r.grantee
                      AND NOT (o.name = 'pgeist.jobs' AND o.privilege LIKE 'UPDATE%')))sql";

// Tables as pgeist makes them, and nothing in the way of an INSERT, UPDATE or DELETE that somebody has added: not even
// by functions of the server's, some of which execute any SQL. Nor a foreign key from elsewhere: what goes with a row
// of pgeist.jobs fires triggers there, with the rights of who deletes it. The view and the function beside the tables
// are not looked at.
constexpr const char* is_genuine_sql = R"sql(
    WITH own AS (SELECT * FROM pg_class WHERE relnamespace = to_regnamespace('pgeist')),
    tables AS (SELECT * FROM own WHERE relkind = 'r' AND relname IN ('jobs', 'chunks', 'events', 'steps', 'files'))
    SELECT (SELECT count(*) FROM tables WHERE relname IN ('jobs', 'chunks', 'events')) = 3 -- the others came with version 5
           AND NOT EXISTS (SELECT FROM tables WHERE relpersistence <> 'p' OR relam <> (SELECT oid FROM pg_am WHERE amname = 'heap' AND oid < 16384)
                              OR relhasrules OR relrowsecurity)
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
                              '''prepare''::text', '''running''::text', '''copy''::text', '''pending''::text', '''{}''::jsonb', '0', 'SESSION_USER', 'clock_timestamp()', 'gen_random_uuid()',
                              '(EXTRACT(epoch FROM clock_timestamp()) * (1000000)::numeric)'))
           AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid IN (SELECT oid FROM tables) AND c.contype = 'c'
                              AND pg_get_constraintdef(c.oid) NOT IN ('CHECK ((kind = ANY (ARRAY[''copy''::text, ''verify''::text])))',
                              'CHECK ((state = ANY (ARRAY[''pending''::text, ''started''::text, ''done''::text, ''skipped''::text, ''failed''::text])))'))
           AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.contype = 'f' AND (c.confrelid IN (SELECT oid FROM tables)
                              <> (c.conrelid IN (SELECT oid FROM tables)))))sql";

}  // namespace

awaitable<standing> look_at_state(pg::connection& session, std::int64_t also) {
    // Asked before each step of a job: planned once, as it has no parameter.
    const pg::connection::kept_plans keep(session);
    std::string sql =
        fmt::format("WITH RECURSIVE {}, {}, {}, {}", believed_sql(also), rights_sql, attached_sql, verdict_sql);
    const pg::result row = co_await session.query(std::move(sql));
    standing found;
    found.present = row.boolean(0, "present");
    found.stranger = row.optional_text(0, "what");
    found.by_owner = row.boolean(0, "by_owner");
    found.remedy = row.text(0, "remedy");
    co_return found;
}

awaitable<bool> is_genuine_state(pg::connection& session) {
    const pg::result row = co_await session.query(is_genuine_sql);
    co_return row.boolean(0, 0);
}

awaitable<std::string> revocations(pg::connection& session) {
    std::string sql = fmt::format("WITH RECURSIVE {}, {} {}", believed_sql(0), rights_sql, revocations_sql);
    const pg::result row = co_await session.query(std::move(sql));
    co_return row.text(0, 0);
}

}  // namespace pgeist::job
