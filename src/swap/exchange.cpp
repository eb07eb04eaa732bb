#include "pgeist/swap/exchange.hpp"

#include <fmt/format.h>

#include "pgeist/core/template.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::swap {

namespace {

using statements = std::vector<plan::statement>;

void add(statements& into, const statements& more) { into.insert(into.end(), more.begin(), more.end()); }

void change_places(statements& into, const plan::blueprint& plan) {
    const std::string home = quote_identifier(plan.table.schema);
    const std::string job = quote_identifier(plan.job_schema);
    const std::string passage = quote_identifier(plan.passage_schema);
    const std::string name = quote_identifier(plan.table.name);
    const auto move = [&](const std::string& from, const std::string& to, const char* which) {
        into.push_back({fmt::format("moving the {} table", which),
                        fmt::format("ALTER TABLE {}.{} SET SCHEMA {}", from, name, to)});
    };
    move(home, passage, "old");
    move(job, home, "new");
    move(passage, job, "old");
}

statements steps_of(const plan::blueprint& plan) {
    statements steps{{"preparing the session", "SET LOCAL array_nulls TO on"}};  // as the server prints arrays
    add(steps, capture::drop_triggers(plan.transfer(), plan.table));
    if (plan.key_index_is_temporary) {
        steps.push_back({"dropping the key's index", fmt::format("DROP INDEX {}.{}", quote_identifier(plan.job_schema),
                                                                 quote_identifier(plan.key_index.name))});
    }
    add(steps, plan.before_move);
    change_places(steps, plan);
    add(steps, plan.after_move);
    steps.push_back({"turning late writers away from the old table", wall_sql(plan, plan.shadow())});
    return steps;
}

/// The same error, with what failed before it.
pg::sql_error labelled(const pg::sql_error& failure, const statements& steps) {
    const auto place = static_cast<std::size_t>(failure.diag().statements_done);
    pg::diagnostics diag = failure.diag();
    diag.message = steps[std::min(place, steps.size() - 1)].label + ": " + diag.message;
    return {failure.code(), diag, failure.poisons_connection(), failure.outcome_unknown()};
}

}  // namespace

std::string wall_function_sql(const plan::blueprint& plan, const std::string& owner) {
    return fill_template(templates::replaced_function, {{"job", quote_identifier(plan.job_schema)}, {"owner", owner}});
}

std::string wall_sql(const plan::blueprint& plan, const qualified_name& old) {
    return fill_template(templates::replaced_triggers, {{"job", quote_identifier(plan.job_schema)},
                                                        {"old", old.sql()},
                                                        {"name", quote_literal(plan.table.display())}});
}

awaitable<void> exchange(pg::connection& session, const plan::blueprint& plan) {
    // One script: each round trip lengthens the time under the lock.
    const statements steps = steps_of(plan);
    std::string script;
    for (const plan::statement& each : steps) {
        script += each.sql + "; ";
    }
    std::optional<pg::sql_error> failed;
    try {
        co_await session.execute(std::move(script));
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
        failed = labelled(failure, steps);
    }
    if (failed) {
        throw pg::sql_error(*failed);
    }
}

}  // namespace pgeist::swap
