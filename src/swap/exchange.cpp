#include "pgeist/swap/exchange.hpp"

#include <fmt/format.h>

#include "pgeist/core/template.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::swap {

namespace {

/// The same error, with what failed before it.
pg::sql_error labelled(const pg::sql_error& failure, const std::vector<plan::statement>& steps) {
    const auto place = static_cast<std::size_t>(failure.diag().statements_done);
    pg::diagnostics diag = failure.diag();
    diag.message = steps[std::min(place, steps.size() - 1)].label + ": " + diag.message;
    return {failure.code(), diag, failure.poisons_connection(), failure.outcome_unknown()};
}

/// A digest does not tell what is to be shown: whoever may read the trigger still cannot SET it.
std::string unless_shown(const std::string& digest) {
    if (digest.empty()) {
        return "";
    }
    return fmt::format(
        "WHEN (pg_catalog.sha256(pg_catalog.convert_to(coalesce(pg_catalog.current_setting({}, true), ''), 'UTF8')) "
        "OPERATOR(pg_catalog.<>) '\\x{}'::pg_catalog.bytea)",
        quote_literal(pass_setting), digest);
}

}  // namespace

std::string wall_function_sql(const plan::blueprint& plan, const std::string& owner) {
    return fill_template(templates::replaced_function, {{"job", quote_identifier(plan.job_schema)}, {"owner", owner}});
}

std::string wall_sql(const plan::blueprint& plan, const qualified_name& old) {
    return fill_template(templates::replaced_triggers, {{"job", quote_identifier(plan.job_schema)},
                                                        {"old", old.sql()},
                                                        {"unless", unless_shown(plan.pass_digest)},
                                                        {"name", quote_literal(plan.table.display())}});
}

std::string drop_wall_sql(const qualified_name& table) {
    return fmt::format("DROP TRIGGER pgeist_replaced ON {0}; DROP TRIGGER pgeist_replaced_row ON {0}", table.sql());
}

plan::swap_plan all_steps(const plan::blueprint& plan, const transfer::spec& transfer) {
    plan::swap_plan first;
    first.add(plan::stage::detach,
              {"preparing the session", "SET LOCAL array_nulls TO on"});  // as the server prints arrays
    first.add_all(plan::stage::detach, capture::drop_triggers(transfer, plan.table));
    if (plan.key_index_is_temporary) {
        first.add(plan::stage::detach,
                  {"dropping the key's index", fmt::format("DROP INDEX {}.{}", quote_identifier(plan.job_schema),
                                                           quote_identifier(plan.key_index.name))});
    }
    plan::swap_plan last(plan::exchange_steps({plan.table, plan.job_schema, plan.passage_schema}));
    last.add(plan::stage::attach, {"turning late writers away from the old table", wall_sql(plan, plan.shadow())});
    return plan::merged({std::move(first), plan.swap, std::move(last)});
}

awaitable<void> exchange(pg::connection& session, plan::swap_plan swap) {
    // One script: each round trip lengthens the time under the lock.
    std::vector<plan::statement> steps;
    for (const auto when : plan::stages_under_locks) {
        for (plan::statement& each : swap.statements(when)) {
            steps.push_back(std::move(each));
        }
    }
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
