#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/statements.hpp"
#include "pgeist/target/steps.hpp"

// What the server can only say of a row: a function of a CHECK, an index, a domain, a generated column or a conversion
// that finds tables by the caller's search_path does not find them in our sessions.
namespace pgeist::target {

namespace {

constexpr const char* checks_sql = R"(
    SELECT c.conname,
           (SELECT string_agg(DISTINCT p.oid::regprocedure::text, ', ')
              FROM regexp_matches(c.conbin::text, ':(?:funcid|opfuncid) (\d+)', 'g') AS used
              JOIN pg_proc p ON p.oid = used[1]::oid WHERE p.oid >= 16384) AS functions
      FROM pg_constraint c WHERE c.conrelid = to_regclass($1) AND c.contype = 'c' ORDER BY c.conname)";

/// A table like the shadow, whose defaults draw from no sequence: values that cannot be told are left out.
statements make_copy(const build_context& at, const plan::blueprint& plan, const qualified_name& copy) {
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

std::string insert_sql(const build_context& at, const plan::blueprint& plan, const qualified_name& copy) {
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

/// Something that calls functions for each row that is written.
struct caller {
    std::string label;      ///< `constraint c` or `index i`
    std::string functions;  ///< of users
    std::string sql;        ///< drops the constraint, or makes the index
};

/// Indexes are made on the copy to be tried, where checks are there and dropped not to be.
struct callers {
    std::vector<caller> checks;
    std::vector<caller> indexes;
};

awaitable<callers> read_callers(build_context& at, const plan::blueprint& plan, qualified_name copy) {
    callers found;
    const auto checks = co_await at.conn.query(checks_sql, at.shadow.sql());
    for (int row = 0; row < checks.rows(); ++row) {
        caller each;
        each.label = "constraint " + display_identifier(checks.text(row, "conname"));
        each.functions = checks.optional_text(row, "functions").value_or("");
        each.sql =
            fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", copy.sql(), quote_identifier(checks.text(row, "conname")));
        found.checks.push_back(std::move(each));
    }
    for (const auto& index : plan.indexes) {
        if (index.calls.empty() || index.create_sql.empty()) {
            continue;
        }
        caller each;
        each.label = "index " + display_identifier(index.name);
        each.functions = index.calls;
        each.sql = catalog::retarget(index.create_sql, at.shadow.sql(), copy.sql());
        found.indexes.push_back(std::move(each));
    }
    co_return found;
}

/// Whether something is not found when the first rows are put into a table like the shadow, changed by `changes`. What
/// else is wrong with a row is the copy's business: the row may be gone by then.
awaitable<std::optional<pg::sql_error>> try_rows(build_context& at, const plan::blueprint& plan,
                                                 std::vector<std::string> changes) {
    const qualified_name copy{at.passage_schema, at.source.name.name};
    std::optional<pg::sql_error> failed;
    co_await begin_trial(at);
    try {
        for (const auto& each : make_copy(at, plan, copy)) {
            co_await at.conn.execute(each.sql);
        }
        for (const auto& each : changes) {
            co_await at.conn.execute(each);
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

std::vector<std::string> sql_of(const std::vector<caller>& all, const caller* but = nullptr) {
    std::vector<std::string> sql;
    for (const auto& each : all) {
        if (&each != but) {
            sql.push_back(each.sql);
        }
    }
    return sql;
}

constexpr const char* hint =
    "give the function a search_path of its own (ALTER FUNCTION … SET search_path = …), or qualify the names in it";

[[noreturn]] void refuse_caller(build_context& at, const caller& each, const pg::sql_error& failed) {
    throw error(exit_code::refused,
                fmt::format("{} of {} cannot be {} in other sessions than yours: {} ({})", each.label,
                            at.source.name.display(), each.label.rfind("index", 0) == 0 ? "built" : "checked",
                            in_user_words(at, failed.diag().message), each.functions),
                hint);
}

/// Throws for the first of the checks and indexes that fails alone as all of them do.
awaitable<void> refuse_the_one(build_context& at, const plan::blueprint& plan, const callers& all,
                               const pg::sql_error& failed) {
    for (const auto& each : all.checks) {
        std::optional<pg::sql_error> alone;
        if (!each.functions.empty()) {
            alone = co_await try_rows(at, plan, sql_of(all.checks, &each));
        }
        if (alone && alone->diag().message == failed.diag().message) {
            refuse_caller(at, each, failed);
        }
    }
    for (const auto& each : all.indexes) {
        auto changes = sql_of(all.checks);
        changes.push_back(each.sql);
        const auto alone = co_await try_rows(at, plan, std::move(changes));
        if (alone && alone->diag().message == failed.diag().message) {
            refuse_caller(at, each, failed);
        }
    }
}

}  // namespace

awaitable<void> try_first_rows(build_context& at, const plan::blueprint& plan) {
    const bool any = std::any_of(plan.columns.begin(), plan.columns.end(),
                                 [](const plan::column& column) { return column.expression && column.compared; });
    if (!any) {
        co_return;
    }
    const qualified_name copy{at.passage_schema, at.source.name.name};
    const callers all = co_await read_callers(at, plan, copy);
    const auto failed = co_await try_rows(at, plan, sql_of(all.indexes));
    if (!failed) {
        co_return;
    }
    co_await refuse_the_one(at, plan, all, *failed);
    throw error(exit_code::refused,
                fmt::format("the rows of {} cannot be written: {} ({})", at.source.name.display(),
                            in_user_words(at, failed->diag().message), in_user_words(at, failed->diag().context)),
                hint);
}

}  // namespace pgeist::target
