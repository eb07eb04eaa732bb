#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "sql.hpp"
#include "steps.hpp"

// What the server can only say of a row: a function of a CHECK, a domain, a generated column or a conversion that finds
// tables by the caller's search_path does not find them in our sessions.
namespace pgeist::shadow {

namespace {

constexpr const char* checks_sql = R"(
    SELECT c.conname,
           (SELECT string_agg(DISTINCT p.oid::regprocedure::text, ', ')
              FROM regexp_matches(c.conbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS used
              JOIN pg_proc p ON p.oid = used[1]::oid WHERE p.oid >= 16384) AS functions
      FROM pg_constraint c WHERE c.conrelid = to_regclass($1) AND c.contype = 'c' ORDER BY c.conname)";

/// A table like the shadow, whose defaults draw from no sequence: values that cannot be told are left out.
statements make_copy(const site& at, const plan::blueprint& plan, const qualified_name& copy) {
    statements all;
    all.push_back({"", fmt::format("CREATE TABLE {} (LIKE {} INCLUDING CONSTRAINTS INCLUDING GENERATED)", copy.sql(),
                                   at.shadow.sql())});
    for (const auto& column : plan.columns) {
        if (!column.expression || !column.compared) {
            all.push_back({"", fmt::format("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", copy.sql(),
                                           quote_identifier(column.name))});
        }
    }
    return all;
}

std::string insert_sql(const site& at, const plan::blueprint& plan, const qualified_name& copy) {
    std::vector<std::string> names;
    std::vector<std::string> expressions;
    for (const auto& column : plan.columns) {
        if (column.expression && column.compared) {
            names.push_back(quote_identifier(column.name));
            expressions.push_back(*column.expression);
        }
    }
    return fmt::format("INSERT INTO {} ({}) SELECT {} FROM ONLY {} LIMIT 3", copy.sql(), join(names, ", "),
                       join(expressions, ", "), at.source.name.sql());
}

/// Whether something is not found when the first rows are put into a table like the shadow, without the checks in
/// `dropped`. What else is wrong with a row is the copy's business: the row may be gone by then.
awaitable<std::optional<pg::sql_error>> try_rows(site& at, const plan::blueprint& plan,
                                                 std::vector<std::string> dropped) {
    const qualified_name copy{at.passage_schema, at.source.name.name};
    std::optional<pg::sql_error> failed;
    co_await begin_trial(at);
    try {
        for (const auto& each : make_copy(at, plan, copy)) {
            co_await at.conn.execute(each.sql);
        }
        for (const auto& each : dropped) {
            co_await at.conn.execute(
                fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", copy.sql(), quote_identifier(each)));
        }
        co_await at.conn.execute("SET LOCAL statement_timeout TO '1s'");
        co_await at.conn.execute(insert_sql(at, plan, copy));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    co_await undo_trial(at);
    if (failed && !failed->in_class("42")) {
        failed.reset();
    }
    co_return failed;
}

constexpr const char* hint =
    "give the function a search_path of its own (ALTER FUNCTION … SET search_path = …), or qualify the names in it";

}  // namespace

awaitable<void> try_first_rows(site& at, const plan::blueprint& plan) {
    const bool any = std::any_of(plan.columns.begin(), plan.columns.end(),
                                 [](const plan::column& column) { return column.expression && column.compared; });
    if (!any) {
        co_return;
    }
    std::vector<std::string> none;
    const auto failed = co_await try_rows(at, plan, none);
    if (!failed) {
        co_return;
    }
    const auto checks = co_await at.conn.query(checks_sql, at.shadow.sql());
    for (int row = 0; row < checks.rows(); ++row) {
        std::vector<std::string> others;
        for (int other = 0; other < checks.rows(); ++other) {
            if (other != row) {
                others.push_back(checks.text(other, "conname"));
            }
        }
        std::optional<pg::sql_error> alone;
        if (checks.optional_text(row, "functions")) {
            alone = co_await try_rows(at, plan, std::move(others));
        }
        if (alone && alone->diag().message == failed->diag().message) {
            throw error(exit_code::refused,
                        fmt::format("constraint {} of {} cannot be checked in other sessions than yours: {} ({})",
                                    display_identifier(checks.text(row, "conname")), at.source.name.display(),
                                    in_user_words(at, failed->diag().message), checks.text(row, "functions")),
                        hint);
        }
    }
    throw error(exit_code::refused,
                fmt::format("the rows of {} cannot be written: {} ({})", at.source.name.display(),
                            in_user_words(at, failed->diag().message), in_user_words(at, failed->diag().context)),
                hint);
}

}  // namespace pgeist::shadow
