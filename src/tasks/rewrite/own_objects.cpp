#include "own_objects.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/event_triggers.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/swap/exchange.hpp"
#include "pgeist/tasks/rewrite/back_log.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/replay/unfit.hpp"

namespace pgeist::rewrite {

namespace {

std::string how_to_go_on(const std::string& name) {
    return fmt::format(
        "ALTER EVENT TRIGGER {} DISABLE for the time of the run, or let it pass over schema pgeist and "
        "those whose names begin with pgeist_",
        name);
}

/// Awaits `body`, which makes something; a failure that comes from an event trigger becomes an error that names it.
template <class Body>
awaitable<void> past_event_triggers(pg::connection& session, const Body& body) {
    std::optional<pg::sql_error> failed;
    co_await session.execute("SAVEPOINT pgeist_own");
    try {
        co_await body();
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection() || problem.retryable()) {
            throw;
        }
        failed = problem;
    }
    if (!failed) {
        co_await session.execute("RELEASE SAVEPOINT pgeist_own");
        co_return;
    }
    co_await session.execute("ROLLBACK TO SAVEPOINT pgeist_own");
    const auto all = co_await catalog::read_event_triggers(session);
    const auto* who = catalog::raised_by(all, *failed);
    if (who == nullptr) {
        throw pg::sql_error(*failed);
    }
    throw error(exit_code::refused,
                fmt::format("event trigger {} (function {}) does not let pgeist make what it needs for itself: {}",
                            who->name, who->function, failed->diag().message),
                how_to_go_on(who->name));
}

[[noreturn]] void throw_changed(const std::string& what, const std::vector<catalog::event_trigger>& all) {
    std::string who = catalog::may_have_changed(all);
    throw error(exit_code::refused, fmt::format("{} is not as pgeist has made it just now", what),
                who.empty() ? std::string("find out what changes new tables in this database")
                            : fmt::format("event trigger {} may have changed it: {}", who,
                                          how_to_go_on(who.substr(0, who.find(" (")))));
}

// Made a moment ago by this session.
constexpr const char* strange_state_sql = R"sql(
    SELECT format('%s, which belongs to role %I now,', name, pg_get_userbyid(owner))
      FROM (SELECT 'schema pgeist' AS name, nspowner AS owner FROM pg_namespace WHERE nspname = 'pgeist'
            UNION ALL
            SELECT format('pgeist.%I', relname), relowner FROM pg_class
             WHERE relnamespace = to_regnamespace('pgeist') AND relkind IN ('r', 'v')) AS made
     WHERE pg_get_userbyid(owner) <> current_user ORDER BY 1 LIMIT 1)sql";

// The application's transactions write into these, with the rights of this role.
constexpr const char* strange_log_sql = R"sql(
    SELECT format('%I.%I', n.nspname, c.relname)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname IN ('pgeist_log', 'pgeist_truncations', 'pgeist_recheck')
       AND (pg_get_userbyid(c.relowner) <> current_user OR c.relrowsecurity OR c.relhasrules OR c.relhasindex
            OR c.relchecks > 0 OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid)
            OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0
                          AND attname !~ '^(k[0-9]+|at|missed|repaired)$'))
     ORDER BY 1 LIMIT 1)sql";

awaitable<void> ensure_state(pg::connection& session, bool& made) { made = co_await job::ensure_state_schema(session); }

awaitable<void> build_into(pg::connection& session, const std::vector<wanted_shadow>& wanted,
                           std::vector<prepared>& made) {
    made = co_await make_blueprints(session, wanted);
}

awaitable<void> run_script(pg::connection& session, const std::string& sql) { co_await session.execute(sql); }

}  // namespace

awaitable<void> make_state(pg::connection& session) {
    bool made = false;
    const auto making = [&] { return ensure_state(session, made); };
    co_await past_event_triggers(session, making);
    if (!made) {
        co_return;
    }
    const pg::result strange = co_await session.query(strange_state_sql);
    if (!strange.empty()) {
        const auto all = co_await catalog::read_event_triggers(session);
        throw_changed(strange.text(0, 0), all);
    }
}

awaitable<std::vector<prepared>> build_shadows(pg::connection& session, std::vector<wanted_shadow> wanted) {
    std::vector<prepared> made;
    const auto building = [&] { return build_into(session, wanted, made); };
    co_await past_event_triggers(session, building);
    co_return made;
}

namespace {

constexpr const char* foreign_grantees_sql = R"(
    SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
      FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) AS x
     WHERE n.nspname = $1 AND x.grantee <> n.nspowner)";

constexpr const char* may_call_sql = R"(
    SELECT quote_ident(current_user), string_agg(f::regprocedure::text, ', ') FROM unnest(ARRAY[
           'pg_catalog.pg_current_wal_insert_lsn()'::regprocedure::oid,
           'pg_catalog.pg_stat_get_xact_tuples_inserted(oid)'::regprocedure::oid]) AS f
     WHERE NOT has_function_privilege(f, 'EXECUTE'))";

/// The application's statements would fail else: what they fire runs with this role's rights. Also where this way does
/// not call them: the one after a swap back does, and a swap back should not be refused for that.
awaitable<void> require_functions(pg::connection& session) {
    const pg::result row = co_await session.query(may_call_sql);
    if (!row.is_null(0, 1)) {
        throw error(exit_code::refused,
                    fmt::format("role {} may not call {}, which the way back needs to tell in which order rows were "
                                "made",
                                row.text(0, 0), row.text(0, 1)),
                    fmt::format("GRANT EXECUTE ON FUNCTION {} TO {}, or run without --revertible", row.text(0, 1),
                                row.text(0, 0)));
    }
}

/// Nobody's business, whatever default privileges say. The functions in there run with their owner's rights.
awaitable<void> make_back(pg::connection& session, const transfer::spec& back, const qualified_name& to_be_used,
                          const qualified_name& to_wait) {
    co_await require_functions(session);
    const std::string schema = quote_identifier(back.schema);
    co_await session.execute(fmt::format("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}", schema));
    const pg::result grantees = co_await session.query(foreign_grantees_sql, back.schema);
    for (int row = 0; row < grantees.rows(); ++row) {
        co_await session.execute(fmt::format("REVOKE ALL ON SCHEMA {} FROM {}", schema, grantees.view(row, 0)));
    }
    const capture::key_numbers numbers = co_await capture::read_key_numbers(session, back, to_be_used);
    co_await session.execute(capture::log_sql(back, numbers) + replay::set_apart_tables_sql(back, to_be_used, to_wait) +
                             capture::dormant_triggers_sql(back, to_be_used));
}

}  // namespace

awaitable<void> make_back_log(pg::connection& session, const transfer::spec& back, const qualified_name& to_be_used,
                              const qualified_name& to_wait) {
    const auto making = [&] { return make_back(session, back, to_be_used, to_wait); };
    co_await past_event_triggers(session, making);
}

awaitable<void> throw_not_dropped(pg::connection& session, pg::sql_error problem) {
    const auto all = co_await catalog::read_event_triggers(session);
    const auto* who = catalog::raised_by(all, problem);
    if (who == nullptr) {
        throw pg::sql_error(problem);
    }
    throw error(exit_code::failed,
                fmt::format("event trigger {} (function {}) does not let pgeist drop what it has made: {}", who->name,
                            who->function, problem.diag().message),
                fmt::format("ALTER EVENT TRIGGER {} DISABLE for as long as it takes, then try again with: pgeist "
                            "cleanup JOB",
                            who->name));
}

awaitable<void> make_log(pg::connection& session, const plan::blueprint& plan) {
    const transfer::spec rows = plan.transfer();
    const capture::key_numbers numbers = co_await capture::read_key_numbers(session, rows, plan.table);
    const std::string script = capture::log_sql(rows, numbers);
    const auto making = [&] { return run_script(session, script); };
    co_await past_event_triggers(session, making);
    const pg::result strange = co_await session.query(strange_log_sql, plan.job_schema);
    if (!strange.empty()) {
        const auto all = co_await catalog::read_event_triggers(session);
        throw_changed(strange.text(0, 0), all);
    }
}

namespace {

/// Capture and its end, the log's change, the wall: in the order of a run. What the swap does with the tables
/// themselves is tried elsewhere.
std::string own_script(const plan::blueprint& plan, const std::string& owner) {
    plan::blueprint tried = plan;
    tried.table = {plan.job_schema, "pgeist_trial"};
    std::string sql = fmt::format("CREATE TABLE {} (LIKE {}); ", tried.table.sql(), plan.table.sql());
    sql += capture::triggers_sql(tried.transfer()) + capture::log_anew_sql(plan.transfer()) +
           capture::log_whole_sql(plan.transfer());
    sql += fmt::format("DROP TABLE {}.pgeist_log_before; ", quote_identifier(plan.job_schema));
    sql += capture::drop_triggers_sql(tried.transfer(), tried.table) + swap::wall_function_sql(plan, owner);
    sql += swap::wall_sql(plan, tried.table) + fmt::format("; DROP TABLE {}; ", tried.table.sql());
    return sql + fmt::format("DROP TABLE {}.pgeist_log", quote_identifier(plan.job_schema));
}

}  // namespace

awaitable<void> try_own_objects(pg::connection& session, const plan::blueprint& plan,
                                std::optional<transfer::spec> back) {
    const auto all = co_await catalog::read_event_triggers(session);
    if (all.empty()) {
        co_return;
    }
    co_await session.execute("SAVEPOINT pgeist_trial_of_own");
    co_await make_state(session);
    co_await make_log(session, plan);
    if (back) {
        const qualified_name shadow = plan.shadow();
        co_await make_back_log(session, *back, shadow, plan.table);
    }
    const std::string owner = co_await capture::owner_of_job(session, plan.transfer());
    const std::string script = own_script(plan, owner);
    const auto making = [&] { return run_script(session, script); };
    co_await past_event_triggers(session, making);
    co_await session.execute("ROLLBACK TO SAVEPOINT pgeist_trial_of_own; RELEASE SAVEPOINT pgeist_trial_of_own");
}

}  // namespace pgeist::rewrite
