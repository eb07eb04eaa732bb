#include "blueprint.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/dependents/dependents.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/swap/plan/steps.hpp"
#include "pgeist/target/group.hpp"
#include "pgeist/target/steps.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/copy/order.hpp"
#include "pgeist/transfer/way_back.hpp"

namespace pgeist::rewrite {

using namespace target;

namespace {

/// Waits for nobody but holders of ACCESS EXCLUSIVE; from here on the definition cannot change.
awaitable<void> hold_definition(target::build_context& at) {
    co_await at.conn.execute(fmt::format("LOCK TABLE ONLY {} IN ACCESS SHARE MODE", at.source.name.sql()));
    const auto now = co_await catalog::fingerprint(at.conn, at.source.oid);
    if (now != at.source.fingerprint) {
        throw error(exit_code::failed,
                    fmt::format("the definition of {} was changed while it was read", at.source.name.display()),
                    "try again");
    }
}

void fill_basics(const target::build_context& at, plan::blueprint& into) {
    into.table = at.source.name;
    into.source_oid = at.source.oid;
    into.shadow_oid = at.shadow_oid;
    into.job_schema = at.job_schema;
    into.passage_schema = at.passage_schema;
    into.fingerprint = at.source.fingerprint;
    into.clustered_on = "";
    for (const auto& each : at.source.indexes) {
        if (each.clustered) {
            into.clustered_on = each.name;
        }
    }
    into.estimated_rows = at.source.estimated_rows;
    into.table_bytes = at.source.table_bytes;
    into.index_bytes = at.source.index_bytes;
}

/// An index that was the identity and is dropped by the change leaves a mark that stands for nothing, and that no
/// statement can make again: the new table gets what it stands for.
catalog::table without_lost_identity(catalog::table after) {
    const bool found = std::any_of(after.indexes.begin(), after.indexes.end(),
                                   [](const catalog::index& each) { return each.replica_identity; });
    if (after.replica_identity == 'i' && !found) {
        after.replica_identity = 'n';
    }
    return after;
}

void warn_of_unrepeatable(target::build_context& at, const std::vector<plan::column>& columns) {
    for (const auto& column : columns) {
        if (!column.compared && column.expression) {
            at.warnings.push_back(
                fmt::format("the values of column {} cannot be verified: {} may give another value each time",
                            display_identifier(column.name), column.conversion));
        }
    }
}

}  // namespace

namespace {

/// Logical replication sends what is written to the table from the swap on; the copy is written elsewhere before it.
awaitable<void> warn_of_subscribers(target::build_context& at, std::vector<plan::column> columns) {
    const bool differs = std::any_of(columns.begin(), columns.end(), [](const plan::column& each) {
        return !each.read_name || (each.expression && *each.expression != quote_identifier(*each.read_name));
    });
    const auto rows = co_await at.conn.query(
        "SELECT string_agg(DISTINCT quote_ident(pubname), ', ') FROM pg_publication_tables WHERE schemaname = $1 AND "
        "tablename = $2",
        at.source.name.schema, at.source.name.name);
    if (differs && !rows.is_null(0, 0)) {
        at.warnings.push_back(
            fmt::format("subscribers and change streams of publication {} get neither the new columns nor the values "
                        "computed for the rows that are there; change their tables themselves",
                        rows.view(0, 0)));
    }
}

}  // namespace

awaitable<std::optional<std::string>> find_applied(pg::connection& conn, const catalog::table& source,
                                                   const plan::change_request& change, std::int64_t job) {
    target::build_context at(conn, source, change, fmt::format("pgeist_{}", job));
    co_await conn.execute(catalog::session_settings(conn));
    qualified_name named = change.table;
    auto alters = plan::parse_alters(change.alters, named);
    co_await hold_definition(at);
    co_await read_event_triggers(at);
    co_await assemble(at);
    co_await add_foreign_keys(at);
    co_await join_parents(at);
    auto assembled = co_await read_shadow(at);
    auto reason = co_await already_applied(at, std::move(alters), std::move(assembled));
    co_return reason;
}

namespace {

void require_way_back(const target::build_context& at, const transfer::way_back& back, const run::settings& chosen) {
    std::vector<std::string> reasons = back.refusals;
    if (chosen.drop_old) {
        reasons.emplace_back("--drop-old leaves no old table to go back to");
    }
    if (!reasons.empty()) {
        throw error(
            exit_code::refused,
            fmt::format("this change of {} cannot be reverted: {}", at.source.name.display(), join(reasons, "; ")),
            "run it without --revertible, or change what is in the way");
    }
}

/// Of several tables each --back-set is about the one that has its column.
std::vector<std::string> back_sets_of(const target::build_context& at, std::vector<std::string> all) {
    if (!at.group.empty()) {
        std::erase_if(all, [&](const std::string& text) {
            return at.source.find_column(plan::parse_assignment(text).column) == nullptr;
        });
    }
    return all;
}

void require_one_table_each(const std::vector<target::build_context*>& all, const run::settings& chosen) {
    for (const std::string& text : chosen.back_sets) {
        std::vector<std::string> tables;
        const std::string column = plan::parse_assignment(text).column;
        for (const target::build_context* each : all) {
            if (each->source.find_column(column) != nullptr) {
                tables.push_back(each->source.name.display());
            }
        }
        if (tables.size() != 1) {
            throw error(exit_code::refused,
                        fmt::format("--back-set {}: {}", text,
                                    tables.empty() ? "none of the tables has such a column"
                                                   : "more than one table has such a column: " + join(tables, ", ")),
                        "of tables that are exchanged together it must be clear which one is meant");
        }
    }
}

/// The triggers that log what is written to the new table are there before the swap, which wakes them: so that no write
/// is lost between two commits.
awaitable<void> plan_way_back(target::build_context& at, const catalog::table& after, const run::settings& chosen,
                              std::int64_t job, prepared& into) {
    std::vector<std::string> sets = back_sets_of(at, chosen.back_sets);
    const transfer::way_back back = co_await target::plan_way_back(at, after, into.blueprint, std::move(sets));
    require_way_back(at, back, chosen);
    const transfer::relation read{at.source.name, at.shadow_oid};
    const transfer::relation write{at.shadow, at.source.oid};
    plan::revert_plan plan;
    // The order in which rows come under keys is told by what the server counts, where statements log them: in mode
    // keep, which the way after a swap back always is.
    const bool uncounted = co_await target::counts_may_be_off(at);
    plan.back = transfer::as_spec(back, read, write, back_schema(job), into.blueprint.row_triggers || uncounted);
    plan.first = plan.back;
    plan.there = into.blueprint.columns;
    plan.waiting = at.source;
    plan.texts = at.texts_now;
    for (const auto& [shadow, source] : at.source_attnums) {
        if (after.find_column(shadow) != nullptr) {
            plan.same_columns.emplace_back(source, shadow);
        }
    }
    into.blueprint.swap.add(plan::stage::attach, {"logging what is written, for the way back",
                                                  capture::enable_sql(plan.back, at.source.name)});
    into.blueprint.swap.add(plan::stage::attach,
                            {"noting where its rows are", job::save_source_file_sql(job, at.shadow_oid)});
    into.way_back_told = transfer::describe(back);
    into.way_back = std::move(plan);
}

}  // namespace

namespace {

/// Not every type has an order, and event triggers may mind tables that are made while the rows are copied.
awaitable<void> try_row_order(target::build_context& at, const plan::blueprint& plan) {
    if (plan.order.empty()) {
        co_return;
    }
    std::optional<pg::sql_error> failed;
    co_await begin_trial(at);
    try {
        co_await at.conn.execute(copy::trial_of_order_sql(plan.transfer()));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && (failed->poisons_connection() || failed->retryable() || failed->in_class("P0"))) {
        throw pg::sql_error(*failed);
    }
    co_await undo_trial(at);
    if (failed) {
        throw error(exit_code::refused,
                    fmt::format("the rows of {} cannot be put in the order of {}: {}", at.source.name.display(),
                                plan.order_text, failed->diag().message),
                    "name other columns");
    }
}

}  // namespace

namespace {

/// One shadow on its way: what the stages of making it hand on.
struct in_making {
    in_making(pg::connection& conn, const wanted_shadow& wanted)
        : at(conn, *wanted.source, *wanted.change, job_schema(wanted.job)), chosen(wanted.chosen), job(wanted.job) {}

    target::build_context at;
    const run::settings* chosen;
    std::int64_t job;
    std::vector<plan::alter_statement> alters;
    prepared result;
    std::vector<plan::statement> made;
    catalog::table after;
    plan::blueprint planned;  ///< without what the swap plans
};

using all_in_making = std::vector<std::unique_ptr<in_making>>;

awaitable<void> make_shadow(in_making& one) {
    one.at.way_back = one.chosen->revertible;
    co_await one.at.conn.execute(catalog::session_settings(one.at.conn));
    qualified_name named = one.at.change.table;
    one.alters = plan::parse_alters(one.at.change.alters, named);
    co_await hold_definition(one.at);
    co_await read_event_triggers(one.at);
    co_await assemble(one.at);
}

awaitable<void> compare_with_source(in_making& one) {
    target::build_context& at = one.at;
    const auto assembled = co_await read_shadow(at);
    require_same_definition(at, assembled);
    one.made = at.made;
    fill_basics(at, one.result.blueprint);
    one.result.blueprint.row_triggers = co_await needs_row_capture(at);
    one.result.blueprint.fingerprint_parts = co_await catalog::fingerprint_parts(at.conn, at.source.oid);
    one.result.nothing_to_do = co_await already_applied(at, one.alters, assembled);
}

awaitable<void> change_shadow(in_making& one) {
    if (!one.result.nothing_to_do) {
        co_await apply_clauses(one.at, std::move(one.alters));
        co_await apply_assignments(one.at);
        co_await grant_on_new_sequences(one.at);
    }
    co_await plan_row_order(one.at, one.result.blueprint);
}

awaitable<void> plan_rows(in_making& one) {
    plan::blueprint& into = one.result.blueprint;
    auto altered = co_await read_shadow(one.at);
    one.after = without_lost_identity(std::move(altered));
    note_changes(one.at, one.after);
    into.columns = co_await map_columns(one.at, one.after);
    co_await plan_key_and_indexes(one.at, one.after, into);
    add_key_to_row_order(into);
    into.heap_order = co_await copies_in_heap_order(one.at, into.key);
    one.planned = into;
}

awaitable<void> plan_exchange(in_making& one) {
    target::build_context& at = one.at;
    plan::blueprint& into = one.result.blueprint;
    co_await swap::plan_swap(at, one.after, into);
    co_await swap::plan_swap_objects(at, one.after, into);
    co_await dependents::plan_bound_objects(at, one.after, into);
    into.expected = swap::expected_definition(at, one.after);
    if (!one.chosen->revertible) {  // else the way back needs them for as long as it is open
        into.swap.add_all(plan::stage::finish, at.finish);
    }
    co_await swap::plan_swap_parents(at, one.after, into);
    if (one.chosen->revertible && !one.result.nothing_to_do) {
        co_await plan_way_back(at, one.after, *one.chosen, one.job, one.result);
    }
    check_persistence(at, one.after);
    check_deferred_checks(one.after);
    check_bindings(at, one.after);
    co_await check_names(at, one.after);
    co_await check_new_owner(at, one.after);
    co_await swap::check_locks(at, into);
    co_await check_added_values(at, one.after, into.key);
}

awaitable<void> try_rows(in_making& one) {
    target::build_context& at = one.at;
    plan::blueprint& into = one.result.blueprint;
    co_await swap::prove_partition(at, into);
    co_await check_copy_statement(at, into);
    co_await try_first_rows(at, into);
    co_await try_row_order(at, into);
    warn_of_unrepeatable(at, into.columns);
    co_await warn_of_subscribers(at, into.columns);
    one.result.statements = std::move(one.made);
    one.result.warnings = at.warnings;
}

std::vector<target::build_context*> contexts_of(const all_in_making& all) {
    std::vector<target::build_context*> contexts;
    for (const auto& each : all) {
        contexts.push_back(&each->at);
    }
    return contexts;
}

awaitable<void> make_shadows(const all_in_making& all) {
    for (const auto& each : all) {
        co_await make_shadow(*each);
    }
    introduce(contexts_of(all));
    for (const auto& each : all) {
        co_await add_foreign_keys(each->at);
        co_await join_parents(each->at);
    }
    for (const auto& each : all) {
        co_await compare_with_source(*each);
    }
}

awaitable<void> change_shadows(const all_in_making& all) {
    const std::vector<target::build_context*> contexts = contexts_of(all);
    auto keys = co_await loosen_keys(contexts);
    for (const auto& each : all) {
        co_await change_shadow(*each);
    }
    co_await tie_keys(std::move(keys));
    for (const auto& each : all) {
        co_await plan_rows(*each);
    }
}

awaitable<void> strip_shadows(const all_in_making& all) {
    for (const auto& each : all) {
        co_await untie_keys(each->at, each->after);
    }
    std::vector<swap::rehearsed> parts;
    for (const auto& each : all) {
        co_await strip(each->at, each->after);
        parts.push_back({&each->at, &each->after, &each->planned});
    }
    if (!all.front()->result.nothing_to_do) {
        co_await swap::rehearse_swap(std::move(parts));
    }
}

}  // namespace

awaitable<std::vector<prepared>> make_blueprints(pg::connection& conn, std::vector<wanted_shadow> wanted) {
    all_in_making all;
    for (const wanted_shadow& each : wanted) {
        all.push_back(std::make_unique<in_making>(conn, each));
    }
    std::vector<prepared> results;
    co_await make_shadows(all);
    const auto done =
        std::count_if(all.begin(), all.end(), [](const auto& each) { return each->result.nothing_to_do.has_value(); });
    if (done > 0 && all.size() > 1) {  // the caller leaves those out
        for (const auto& each : all) {
            results.push_back(std::move(each->result));
        }
        co_return results;
    }
    if (all.size() > 1 && all.front()->chosen->revertible) {
        require_one_table_each(contexts_of(all), *all.front()->chosen);
    }
    co_await change_shadows(all);
    co_await dependents::deal_out_views(contexts_of(all));
    for (const auto& each : all) {
        co_await plan_exchange(*each);
    }
    if (all.size() > 1) {
        std::vector<const plan::blueprint*> plans;
        for (const auto& each : all) {
            plans.push_back(&each->result.blueprint);
        }
        swap::require_separate_views(plans);
    }
    co_await strip_shadows(all);
    for (const auto& each : all) {
        co_await try_rows(*each);
        results.push_back(std::move(each->result));
    }
    co_return results;
}

}  // namespace pgeist::rewrite
