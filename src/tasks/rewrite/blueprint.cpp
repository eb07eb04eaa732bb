#include "blueprint.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/dependents/dependents.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/swap/plan/steps.hpp"
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

/// The triggers that log what is written to the new table are there before the swap, which wakes them: so that no write
/// is lost between two commits.
awaitable<void> plan_way_back(target::build_context& at, const catalog::table& after, const run::settings& chosen,
                              std::int64_t job, prepared& into) {
    const transfer::way_back back = co_await target::plan_way_back(at, after, into.blueprint, chosen.back_sets);
    require_way_back(at, back, chosen);
    const transfer::relation read{at.source.name, at.shadow_oid};
    const transfer::relation write{at.shadow, at.source.oid};
    plan::revert_plan plan;
    plan.back = transfer::as_spec(back, read, write, back_schema(job), into.blueprint.row_triggers);
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

awaitable<prepared> make_blueprint(pg::connection& conn, const catalog::table& source,
                                   const plan::change_request& change, std::int64_t job, const run::settings& chosen) {
    target::build_context at(conn, source, change, job_schema(job));
    at.way_back = chosen.revertible;
    co_await conn.execute(catalog::session_settings(conn));
    qualified_name named = change.table;
    auto alters = plan::parse_alters(change.alters, named);
    co_await hold_definition(at);
    co_await read_event_triggers(at);
    co_await assemble(at);
    co_await add_foreign_keys(at);
    co_await join_parents(at);
    const auto assembled = co_await read_shadow(at);
    require_same_definition(at, assembled);
    std::vector<plan::statement> made = at.made;

    prepared result;
    fill_basics(at, result.blueprint);
    result.blueprint.row_triggers = co_await needs_row_capture(at);
    result.blueprint.fingerprint_parts = co_await catalog::fingerprint_parts(at.conn, at.source.oid);
    result.nothing_to_do = co_await already_applied(at, alters, assembled);
    if (!result.nothing_to_do) {
        co_await apply_clauses(at, std::move(alters));
        co_await apply_assignments(at);
        co_await grant_on_new_sequences(at);
    }
    co_await plan_row_order(at, result.blueprint);
    auto altered = co_await read_shadow(at);
    const auto after = without_lost_identity(std::move(altered));
    result.blueprint.columns = co_await map_columns(at, after);
    co_await plan_key_and_indexes(at, after, result.blueprint);
    add_key_to_row_order(result.blueprint);
    result.blueprint.heap_order = co_await copies_in_heap_order(at, result.blueprint.key);
    const plan::blueprint planned = result.blueprint;
    co_await swap::plan_swap(at, after, result.blueprint);
    co_await swap::plan_swap_objects(at, after, result.blueprint);
    co_await dependents::plan_bound_objects(at, after, result.blueprint);
    result.blueprint.expected = swap::expected_definition(at, after);
    if (!chosen.revertible) {  // else the way back needs them for as long as it is open
        result.blueprint.swap.add_all(plan::stage::finish, at.finish);
    }
    co_await swap::plan_swap_parents(at, after, result.blueprint);
    if (chosen.revertible && !result.nothing_to_do) {
        co_await plan_way_back(at, after, chosen, job, result);
    }
    check_persistence(at, after);
    check_deferred_checks(after);
    check_bindings(at, after);
    co_await check_names(at, after);
    co_await check_new_owner(at, after);
    co_await swap::check_locks(at, result.blueprint);
    co_await check_added_values(at, after);
    co_await strip(at, after);
    if (!result.nothing_to_do) {
        co_await swap::rehearse_swap(at, after, planned);
    }
    co_await swap::prove_partition(at, result.blueprint);
    co_await check_copy_statement(at, result.blueprint);
    co_await try_first_rows(at, result.blueprint);
    co_await try_row_order(at, result.blueprint);
    warn_of_unrepeatable(at, result.blueprint.columns);
    co_await warn_of_subscribers(at, result.blueprint.columns);
    result.statements = std::move(made);
    result.warnings = at.warnings;
    co_return result;
}

}  // namespace pgeist::rewrite
