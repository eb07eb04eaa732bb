#include <fmt/format.h>

#include "bound_expressions.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "planning.hpp"

namespace pgeist::expand {

namespace {

/// `CAST((up) AS type) AS "column", …`
std::string values_of(const std::vector<assignment>& all, const std::vector<column>& columns, const spec& plan) {
    const names now = names_of(plan);
    std::vector<std::string> values;
    for (const assignment& each : all) {
        for (const column& into : columns) {
            if (into.name == each.column) {
                values.push_back(fmt::format("CAST(({}) AS {}) AS {}", in_names(each.expression, plan, now), into.type,
                                             quote_identifier(each.column)));
            }
        }
    }
    return join(values, ", ");
}

/// All that --up gives a few rows, and what --down makes of that.
std::string trial_sql(const workshop& with, const group& one) {
    const spec& plan = with.made.plan;
    const std::string from = (plan.partitioned ? "" : "ONLY ") + plan.table.sql();
    std::string rows = fmt::format("(SELECT {} FROM {} LIMIT 10) AS ups", values_of(one.ups, one.news, plan), from);
    if (!one.downs.empty()) {
        rows = fmt::format("(SELECT ups.*, {} FROM {}) AS downs", values_of(one.downs, one.olds, plan), rows);
    }
    return fmt::format("SELECT count(all_values) FROM (SELECT ROW(each.*)::text AS all_values FROM {}) AS s",
                       rows.substr(0, rows.rfind(" AS ")) + " AS each");
}

}  // namespace

awaitable<void> try_on_rows(workshop& with) {
    for (const group& one : with.made.plan.groups) {
        std::optional<pg::sql_error> failed;
        co_await target::begin_trial(with.at);
        try {
            co_await with.at.conn.execute("SET LOCAL statement_timeout TO '1s'");
            static_cast<void>(co_await with.at.conn.query(trial_sql(with, one)));
        } catch (const pg::sql_error& problem) {
            failed = problem;
        }
        if (failed && failed->poisons_connection()) {
            throw *failed;
        }
        co_await target::undo_trial(with.at);
        if (failed && failed->in_class("42")) {
            refuse(fmt::format("--up or --down fails for the first rows of {}: {}", with.made.plan.table.display(),
                               failed->diag().message),
                   "statements of the application would fail, too: mend what it calls");
        }
        if (failed && failed->blames_data()) {
            with.made.warnings.push_back(fmt::format(
                "--up or --down fails for one of the first rows, and so may statements of the application: {}",
                failed->diag().message));
        }
    }
}

}  // namespace pgeist::expand
