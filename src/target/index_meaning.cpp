#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/sql/index.hpp"
#include "pgeist/sql/table.hpp"
#include "pgeist/target/steps.hpp"

// An index is made from its text once more after the copy, and the server evaluates its expressions at once. Somebody
// may have made a function meanwhile that fits the text better: it would run with our rights before anybody looks.
namespace pgeist::target {

namespace {

constexpr const char* parts_sql = R"(
    SELECT pg_get_expr(i.indexprs, i.indrelid) AS expressions, pg_get_expr(i.indpred, i.indrelid) AS predicate
      FROM pg_index i WHERE i.indexrelid = $1)";

// Those that may read by the caller's search_path.
constexpr const char* calls_sql = R"(
    SELECT coalesce(string_agg(DISTINCT p.oid::regprocedure::text, ', '), '')
      FROM regexp_matches({}, ':(?:funcid|opfuncid) (\d+)', 'g') AS used JOIN pg_proc p ON p.oid = used[1]::oid
      JOIN pg_language l ON l.oid = p.prolang
     WHERE p.oid >= 16384 AND l.lanname NOT IN ('internal', 'c')
       AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS one WHERE one LIKE 'search\_path=%'))";

/// All expressions of the index in one condition over its table, in the order of its tree.
std::string condition_of(const pg::result& parts) {
    std::vector<std::string> conditions;
    if (const auto expressions = parts.optional_text(0, "expressions")) {
        conditions.push_back(fmt::format("ROW({}) IS NULL", *expressions));
    }
    if (const auto predicate = parts.optional_text(0, "predicate")) {
        conditions.push_back(fmt::format("({})", *predicate));
    }
    return join(conditions, " AND ");
}

/// Whether the condition uses what the index does: then it can be asked in the index's place.
awaitable<bool> stands_for(build_context& at, plan::meaning meaning) {
    const qualified_name probe{at.passage_schema, "pgeist_probe"};
    catalog::used_operators wanted;
    wanted.oids = meaning.uses;
    bool same = false;
    std::optional<pg::sql_error> failed;
    co_await begin_trial(at);
    try {
        co_await at.conn.execute("SET LOCAL search_path TO " + meaning.search_path);
        co_await at.conn.execute(plan::probe_sql(probe, at.shadow, meaning));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (!failed) {
        co_await at.conn.execute("SET LOCAL search_path TO pg_catalog");
        const auto found = co_await catalog::read_operators(at.conn, catalog::trees::of_view(probe));
        same = catalog::other_operators(wanted, found).empty();
    }
    co_await undo_trial(at);
    co_return same;
}

}  // namespace

awaitable<void> note_meaning(build_context& at, const catalog::table& after, plan::index& made) {
    const auto* of = after.find_index(made.name);
    const bool plain =
        of == nullptr || (!of->predicate && std::all_of(of->columns.begin(), of->columns.end(),
                                                        [](const auto& column) { return column.attnum != 0; }));
    if (plain) {
        co_return;
    }
    const std::string tree = catalog::trees::of_index({at.job_schema, made.name});
    const auto calls = co_await at.conn.query(fmt::format(calls_sql, tree));
    made.calls = calls.text(0, 0);
    const auto open = co_await at.conn.query("SELECT " + catalog::open_functions_sql(tree));
    if (of->operator_schemas.empty() && !open.boolean(0, 0)) {
        co_return;
    }
    const auto used = co_await catalog::read_operators(at.conn, tree);
    const auto parts = co_await read_definition(at, parts_sql, of->oid);
    made.meaning.uses = used.oids;
    made.meaning.search_path = with_schemas("pg_catalog", of->operator_schemas);
    made.meaning.condition = condition_of(parts);
    if (!made.create_sql.empty()) {
        made.meaning.draft_sql = create_index(after, *of, at.shadow);
        const std::string kind = " INDEX ";
        made.meaning.draft_sql.insert(made.meaning.draft_sql.find(kind) + kind.size(), "CONCURRENTLY ");
    }
    const bool can_be_asked = co_await stands_for(at, made.meaning);
    if (!can_be_asked) {
        made.meaning.condition.clear();
    }
}

}  // namespace pgeist::target
