#include "pgeist/job/state_schema.hpp"

#include <boost/algorithm/string/replace.hpp>

#include "pgeist/job/hold.hpp"
#include "pgeist/templates.hpp"

namespace pgeist::job {

namespace {

/// Of state_tools.sql. A schema of a lower version is brought up to date by whoever next works with it.
constexpr int state_version = 3;

std::string state_tools_sql() {
    std::string sql(templates::state_tools);
    boost::replace_all(sql, "{job_space}", std::to_string(job_space));
    boost::replace_all(sql, "{version}", std::to_string(state_version));
    return sql;
}

awaitable<bool> is_old(pg::connection& session) {
    const pg::result row = co_await session.query(
        "SELECT coalesce(substring(obj_description(to_regnamespace('pgeist'), 'pg_namespace') FROM "
        "'version ([0-9]+)')::int, 0) < $1::int",
        state_version);
    co_return row.boolean(0, 0);
}

awaitable<void> upgrade(pg::connection& session) {
    // Of two that come to this at once the second waits, and then finds it done.
    co_await session.execute("LOCK TABLE pgeist.jobs IN SHARE ROW EXCLUSIVE MODE");
    const bool still_old = co_await is_old(session);
    if (still_old) {
        co_await session.execute(state_tools_sql());
    }
}

}  // namespace

awaitable<bool> has_state_schema(pg::connection& session) {
    const pg::result found = co_await session.query("SELECT to_regclass('pgeist.jobs') IS NOT NULL");
    co_return found.boolean(0, 0);
}

awaitable<void> ensure_state_schema(pg::connection& session) {
    const bool present = co_await has_state_schema(session);
    if (present) {
        co_return;
    }
    bool raced = false;
    co_await session.execute("SAVEPOINT pgeist_state");
    try {
        co_await session.execute(std::string(templates::state));
        co_await session.execute(state_tools_sql());
    } catch (const pg::sql_error& failure) {
        raced = failure.is(pg::sqlstate::duplicate_schema) || failure.is(pg::sqlstate::unique_violation);
        if (!raced) {
            throw;
        }
    }
    if (raced) {
        co_await session.execute("ROLLBACK TO SAVEPOINT pgeist_state");
    }
}

awaitable<void> bring_state_up_to_date(pg::connection& session) {
    const bool present = co_await has_state_schema(session);
    if (!present) {
        co_return;
    }
    const bool old = co_await is_old(session);
    if (!old) {
        co_return;
    }
    std::exception_ptr failure;
    try {
        co_await session.begin();
        co_await session.execute("SET LOCAL lock_timeout = '5s'");
        co_await upgrade(session);
        co_await session.commit();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await session.rollback();
        std::rethrow_exception(failure);
    }
}

}  // namespace pgeist::job
