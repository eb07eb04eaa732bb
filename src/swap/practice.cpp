#include "pgeist/swap/practice.hpp"

#include <optional>

#include <fmt/format.h>

#include "pgeist/pg/transaction.hpp"
#include "pgeist/swap/exchange.hpp"

namespace pgeist::swap {

namespace {

/// Of each kind of statement that most swaps have, one.
std::string practice_sql(const plan::blueprint& plan) {
    const qualified_name one{plan.job_schema, "pgeist_practice"};
    const qualified_name moved{plan.passage_schema, one.name};
    const qualified_name other{plan.job_schema, "pgeist_practice_too"};
    std::string sql = fmt::format(
        "SET LOCAL array_nulls TO on; CREATE TABLE {0} (a int PRIMARY KEY, b text); CREATE INDEX ON {0} (b); CREATE "
        "TABLE "
        "{1} (a int CONSTRAINT pgeist_practice_key REFERENCES {0}); ",
        one.sql(), other.sql());
    sql += wall_sql(plan, one) + "; " + drop_wall_sql(one) + "; ";
    sql += fmt::format("ALTER TABLE {} DROP CONSTRAINT pgeist_practice_key; ", other.sql());
    sql += fmt::format("ALTER TABLE {} SET SCHEMA {}; ", one.sql(), quote_identifier(plan.passage_schema));
    sql += fmt::format("ALTER TABLE {} SET SCHEMA {}; ", moved.sql(), quote_identifier(plan.job_schema));
    sql += fmt::format("ALTER TABLE {} ADD CONSTRAINT pgeist_practice_key FOREIGN KEY (a) REFERENCES {} NOT VALID",
                       other.sql(), one.sql());
    return sql;
}

/// Event triggers of the user's are fired, and may want locks that others hold: they are not waited for here.
awaitable<void> run_practice(pg::connection& session, const plan::blueprint& plan) {
    co_await session.execute("SET LOCAL lock_timeout TO '200ms'; SET LOCAL statement_timeout TO '10s'");
    co_await session.execute(practice_sql(plan));
}

}  // namespace

awaitable<void> practise(pg::connection& session, const plan::blueprint& plan) {
    const auto practice = [&] { return run_practice(session, plan); };
    bool poisoned = false;
    std::optional<pg::sql_error> failed;
    try {
        co_await pg::rolled_back(session, practice);
    } catch (const pg::sql_error& failure) {
        poisoned = failure.poisons_connection();
        failed = failure;
    }
    if (poisoned) {
        throw pg::sql_error(*failed);
    }
}

}  // namespace pgeist::swap
