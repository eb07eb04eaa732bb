// The name that the server gives to an index which is made without one: its own rules, which no two versions need have
// in common.

#include <algorithm>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/pg/transaction.hpp"
#include "register.hpp"

namespace pgeist::concurrently {

namespace {

constexpr const char* names_schema = "pgeist_index_name";
constexpr int most_names = 1000;

// Constraints have names of their own in a schema.
constexpr const char* taken_sql = R"sql(
    SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)
        OR ($3 AND EXISTS (SELECT FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
                            WHERE n.nspname = $1 AND k.conname = $2)))sql";

awaitable<std::string> make_once(pg::connection& session, const std::string& statement, bool& constraint) {
    co_await session.execute("SAVEPOINT model");
    co_await session.execute(statement);
    const pg::result row = co_await session.query(
        "SELECT c.relname, EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = c.oid) FROM pg_class c WHERE "
        "c.relnamespace = to_regnamespace($1) AND c.relkind = 'i' ORDER BY c.oid DESC LIMIT 1",
        names_schema);
    constraint = row.boolean(0, 1);
    co_await session.execute("ROLLBACK TO SAVEPOINT model");
    co_return row.text(0, 0);
}

/// Names that are taken beside the real table are taken beside its model.
awaitable<void> find_name(pg::connection& session, const unnamed_index& what, std::string& name) {
    const qualified_name stand_in{names_schema, what.table.name};
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    co_await session.execute(
        fmt::format("CREATE SCHEMA {}; CREATE TABLE {} (LIKE {})", names_schema, stand_in.sql(), what.table.sql()));
    std::string statement = what.statement;
    boost::replace_all(statement, "{table}", stand_in.sql());
    for (int tries = 0; tries < most_names; ++tries) {
        bool constraint = false;
        name = co_await make_once(session, statement, constraint);
        const pg::result taken = co_await session.query(taken_sql, what.table.schema, name, constraint);
        if (!taken.boolean(0, 0)) {
            co_return;
        }
        const qualified_name there{names_schema, name};
        co_await session.execute(fmt::format("CREATE TYPE {} AS ()", there.sql()));
    }
    throw error(exit_code::failed, fmt::format("no name is free for an index of {}", what.table.display()),
                "give it one");
}

}  // namespace

awaitable<std::string> name_of_index(pg::connection& session, unnamed_index what) {
    std::string name;
    const auto finding = [&] { return find_name(session, what, name); };
    co_await pg::rolled_back(session, finding);
    co_return name;
}

awaitable<bool> has_begun(pg::connection& session, std::int64_t job, qualified_name index) {
    entry about;
    about.what = deed::create;
    about.name = std::move(index);
    const std::vector<entry> known = co_await load(session, job);
    co_return std::any_of(known.begin(), known.end(), [&](const entry& each) { return each.key() == about.key(); });
}

}  // namespace pgeist::concurrently
