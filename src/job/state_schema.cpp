#include "pgeist/job/state_schema.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <boost/algorithm/string/replace.hpp>

#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/templates.hpp"

namespace pgeist::job {

namespace {

/// What each version of the state has added to the one before; the schema's comment names the last.
struct addition {
    int version;
    std::string_view before;  ///< what it needs first, in the same transaction
    std::string sql;
};

std::string with_job_space(std::string_view script) {
    std::string filled(script);
    boost::replace_all(filled, "{job_space}", std::to_string(job_space));
    return filled;
}

/// Of several topics, one file each; in their order. Each may be run where it is done already.
std::string version_5() {
    return std::string(templates::state_steer) + std::string(templates::state_builds) +
           std::string(templates::state_steps) + std::string(templates::state_group) +
           with_job_space(templates::state_revert) + std::string(templates::state_in_place) +
           std::string(templates::state_files) + std::string(templates::state_version_5);
}

std::vector<addition> additions() {
    std::string tools = with_job_space(templates::state_tools) + std::string(templates::state_steer);
    // Of two that come to this at once the second waits, and then finds it done.
    return {{2, "LOCK TABLE pgeist.jobs IN SHARE ROW EXCLUSIVE MODE", std::move(tools)},
            {3, "", std::string(templates::state_identity)},
            {4, "", std::string(templates::state_kinds)},
            {5, "", version_5()}};
}

/// 0: the first.
awaitable<std::int64_t> version(pg::connection& session) {
    const pg::result row = co_await session.query(
        "SELECT coalesce(substring(obj_description(to_regnamespace('pgeist'), 'pg_namespace') FROM "
        "'version ([0-9]+)')::bigint, 0)");
    co_return row.integer(0, 0);
}

/// Whoever adds something leaves it to the schema's owner: who has made the jobs must be able to use it, and to replace
/// it.
constexpr const char* hand_over_sql = R"sql(
    DO $pgeist$
    DECLARE
        made text;
    BEGIN
        FOR made IN
            SELECT format('ALTER VIEW pgeist.%I OWNER TO %I', c.relname, pg_get_userbyid(n.nspowner))
              FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'v'
             WHERE n.nspname = 'pgeist' AND c.relowner <> n.nspowner AND pg_get_userbyid(c.relowner) = current_user
            UNION ALL
            SELECT format('ALTER TABLE pgeist.%I OWNER TO %I', c.relname, pg_get_userbyid(n.nspowner))
              FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
             WHERE n.nspname = 'pgeist' AND c.relowner <> n.nspowner AND pg_get_userbyid(c.relowner) = current_user
            UNION ALL
            SELECT format('ALTER FUNCTION %s OWNER TO %I', p.oid::regprocedure, pg_get_userbyid(n.nspowner))
              FROM pg_namespace n JOIN pg_proc p ON p.pronamespace = n.oid
             WHERE n.nspname = 'pgeist' AND p.proowner <> n.nspowner AND pg_get_userbyid(p.proowner) = current_user
        LOOP
            EXECUTE made;
        END LOOP;
    END $pgeist$)sql";

/// Whatever default privileges say: who may write there decides what is executed. Anybody may call the function, which
/// has no rights of its own.
constexpr const char* strip_sql = R"sql(
    DO $pgeist$
    DECLARE
        taken text;
    BEGIN
        FOR taken IN
            SELECT format('REVOKE ALL ON %s FROM %s', made.name,
                          CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END)
              FROM (SELECT 'SCHEMA pgeist' AS name, nspowner AS owner, nspacl AS acl, false AS common FROM pg_namespace
                     WHERE nspname = 'pgeist'
                    UNION ALL
                    SELECT format('%s pgeist.%I', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, relname),
                           relowner, relacl, false
                      FROM pg_class WHERE relnamespace = to_regnamespace('pgeist') AND relkind IN ('r', 'v', 'S')
                    UNION ALL
                    SELECT format('FUNCTION %s', oid::regprocedure), proowner, proacl, true
                      FROM pg_proc WHERE pronamespace = to_regnamespace('pgeist')) AS made
              CROSS JOIN aclexplode(made.acl) AS x
             WHERE x.grantee <> made.owner AND NOT (made.common AND x.grantee = 0)
             GROUP BY made.name, x.grantee
        LOOP
            EXECUTE taken;
        END LOOP;
    END $pgeist$)sql";

awaitable<void> upgrade(pg::connection& session, const addition& next) {
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    bool in_use = false;
    try {
        static_cast<void>(
            co_await guard_state(session));  // what is executed to build and fill is looked at under a lock
        if (!next.before.empty()) {
            co_await session.execute(std::string(next.before));
        }
        const std::int64_t reached = co_await version(session);
        if (reached < next.version) {
            co_await session.execute(next.sql);
            co_await session.execute(hand_over_sql);
        }
    } catch (const pg::sql_error& failure) {
        in_use = failure.is(pg::sqlstate::lock_not_available);
        if (!in_use) {
            throw;
        }
    }
    if (in_use) {
        throw error(exit_code::lock_not_obtained,
                    "schema pgeist is of an earlier version of pgeist, of which a run is at work: it cannot be brought "
                    "up to date now",
                    "nothing was done; try again when that run is done: pgeist status");
    }
}

}  // namespace

awaitable<bool> ensure_state_schema(pg::connection& session) {
    const bool present = co_await has_state_schema(session);
    if (present) {
        co_return false;
    }
    const std::vector<addition> all = additions();
    bool raced = false;
    co_await session.execute("SAVEPOINT pgeist_state");
    try {
        co_await session.execute(std::string(templates::state));
        for (const addition& each : all) {
            co_await session.execute(each.sql);
        }
        co_await session.execute(strip_sql);
    } catch (const pg::sql_error& failure) {
        raced = failure.is(pg::sqlstate::duplicate_schema) || failure.is(pg::sqlstate::unique_violation);
        if (!raced) {
            throw;
        }
    }
    if (raced) {
        co_await session.execute("ROLLBACK TO SAVEPOINT pgeist_state");
        static_cast<void>(co_await has_state_schema(session));  // whoever was faster must be believed
    }
    co_return !raced;
}

awaitable<void> bring_state_up_to_date(pg::connection& session) {
    const bool present = co_await has_state_schema(session);
    if (!present) {
        co_return;
    }
    co_await repair_rights(session);
    const std::int64_t reached = co_await version(session);
    const std::vector<addition> all = additions();
    for (const addition& each : all) {
        if (reached < each.version) {
            const auto step = [&] { return upgrade(session, each); };
            co_await pg::transaction(session, pg::isolation::read_committed, step);
        }
    }
}

}  // namespace pgeist::job
