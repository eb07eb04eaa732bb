#include <algorithm>

#include <fmt/format.h>

#include "key_choice.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

/// Whether the server takes a value of `from` for a column of `into` without being told to cast it.
awaitable<bool> is_assigned(build_context& at, std::string from, std::string into) {
    const qualified_name probe{at.passage_schema, "pgeist_assigned"};
    std::optional<pg::sql_error> failed;
    co_await begin_trial(at);
    co_await at.conn.execute(fmt::format("CREATE TABLE {} (value {})", probe.sql(), into));
    try {
        co_await at.conn.execute(
            fmt::format("EXPLAIN INSERT INTO {} SELECT v.value FROM (SELECT CAST(NULL AS {}) AS value OFFSET 0) AS v",
                        probe.sql(), from));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    co_await undo_trial(at);
    co_return !failed;
}

/// The columns of the new table as an expression over its rows may name them.
std::vector<known_column> columns_after(const catalog::table& after) {
    std::vector<known_column> known;
    for (const catalog::column& column : after.columns) {
        known_column each;
        each.name = column.name;
        each.sql = quote_identifier(column.name);
        each.reads = {column.name};
        known.push_back(std::move(each));
    }
    return known;
}

}  // namespace

awaitable<transfer::way_back> plan_way_back(build_context& at, const catalog::table& after, const plan::blueprint& into,
                                            std::vector<std::string> back_sets) {
    const std::string index = into.key_index_is_temporary ? std::string() : into.key_index.name;
    transfer::way_there there{at.source, after, into.columns, into.key, index, {}, {}};
    const std::vector<known_column> known = columns_after(after);
    for (const std::string& text : back_sets) {
        const plan::assignment set = plan::parse_assignment(text);
        const std::string what = "--back-set " + text;
        if (there.sets.count(set.column) != 0) {
            throw error(exit_code::refused,
                        fmt::format("{}: column {} is set twice", what, display_identifier(set.column)));
        }
        const resolved found = co_await resolve_expression(at, at.shadow, known, set.expression, what);
        there.sets[set.column] = transfer::back_set{found.sql, text};
    }
    for (const transfer::column& forth : into.columns) {
        const catalog::column* made = after.find_column(forth.name);
        const catalog::column* old = forth.read_name ? at.source.find_column(*forth.read_name) : nullptr;
        if (made != nullptr && old != nullptr && made->type != old->type) {
            const bool assigned = co_await is_assigned(at, made->type, old->type);
            if (assigned) {
                there.assignable.insert(old->name);
            }
        }
    }
    co_return transfer::plan_way_back(there);
}

}  // namespace pgeist::target
