#include <algorithm>
#include <set>
#include <string>

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

/// The server does not know a column any more that the change drops: the message names it, this says why.
[[noreturn]] void rethrow_back_set(const build_context& at, const catalog::table& after, const error& problem) {
    for (const catalog::column& column : at.source.columns) {
        const bool named = std::string(problem.what()).find(fmt::format("column \"{}\" does not exist", column.name)) !=
                           std::string::npos;
        if (named && after.find_column(column.name) == nullptr) {
            throw error(problem.code(), problem.what(),
                        fmt::format("the change takes column {} away: the expression is over the new row",
                                    display_identifier(column.name)));
        }
    }
    throw error(problem);
}

awaitable<transfer::back_set> read_back_set(build_context& at, const catalog::table& after, std::string expression,
                                            std::string what) {
    const std::vector<known_column> known = columns_after(after);
    std::optional<error> refused;
    transfer::back_set way;
    try {
        const resolved found =
            co_await resolve_expression(at, at.shadow, known, std::move(expression), std::move(what));
        way.expression = found.sql;
        way.constant = found.reads.empty() && !found.is_volatile;
    } catch (const pg::sql_error&) {
        throw;
    } catch (const error& problem) {
        refused = problem;
    }
    if (refused) {
        rethrow_back_set(at, after, *refused);
    }
    co_return way;
}

// A domain over a domain takes no NULL where one of them takes none; its own default counts, or that of the next one.
constexpr const char* never_null_sql = R"sql(
    WITH RECURSIVE domains AS (
        SELECT a.attname, t.typbasetype, t.typnotnull, t.typdefault IS NOT NULL AS has_default
          FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         WHERE a.attrelid = $1::bigint::oid AND a.attnum > 0 AND NOT a.attisdropped AND t.typtype = 'd'
        UNION ALL
        SELECT d.attname, t.typbasetype, t.typnotnull, t.typdefault IS NOT NULL
          FROM domains d JOIN pg_type t ON t.oid = d.typbasetype AND t.typtype = 'd')
    SELECT attname::text FROM domains GROUP BY attname HAVING bool_or(typnotnull) AND NOT bool_or(has_default))sql";

awaitable<std::set<std::string>> never_null(build_context& at) {
    const pg::result rows = co_await at.conn.query(never_null_sql, at.source.oid);
    std::set<std::string> names;
    for (int row = 0; row < rows.rows(); ++row) {
        names.insert(rows.text(row, 0));
    }
    co_return names;
}

/// What rows made after the swap would have in the columns that the change drops, where that does not depend on the row
/// or on the moment: SQL by column.
std::map<std::string, std::string> values_of_new_rows(const build_context& at, const transfer::way_there& there) {
    std::map<std::string, std::string> values;
    for (const catalog::column& old : at.source.columns) {
        const bool stays = std::any_of(there.columns.begin(), there.columns.end(), [&](const transfer::column& each) {
            return each.read_name == old.name && there.new_table.find_column(each.name) != nullptr;
        });
        if (stays || old.generated != 0) {
            continue;
        }
        const auto set = there.sets.find(old.name);
        if (set != there.sets.end()) {
            if (set->second.constant) {
                values[old.name] = set->second.expression;
            }
        } else if (old.identity == 0 && !(old.default_expression && old.default_is_volatile)) {
            values[old.name] = old.default_expression.value_or("NULL");
        }
    }
    return values;
}

/// Whether a CHECK refuses a row of such values; one that fails for it does, too.
awaitable<bool> is_refused(build_context& at, std::string columns, std::string values, std::string check) {
    const qualified_name probe{at.passage_schema, "pgeist_tried"};
    std::optional<pg::sql_error> failed;
    co_await begin_trial(at);
    co_await at.conn.execute(
        fmt::format("CREATE TABLE {0} ({1}); ALTER TABLE {0} ADD {2}", probe.sql(), columns, check));
    try {
        co_await at.conn.execute(fmt::format("INSERT INTO {} VALUES ({})", probe.sql(), values));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    co_await undo_trial(at);
    co_return failed.has_value();
}

/// The CHECKs over dropped columns alone, tried with what new rows would have.
awaitable<void> try_checks(build_context& at, transfer::way_there& there) {
    const auto known = values_of_new_rows(at, there);
    for (const catalog::constraint& each : at.source.constraints) {
        std::vector<std::string> names;
        std::vector<std::string> columns;
        std::vector<std::string> values;
        for (const int number : each.columns) {
            const catalog::column* column = at.source.find_column(number);
            const auto value = column == nullptr ? known.end() : known.find(column->name);
            if (value != known.end()) {
                names.push_back(column->name);
                columns.push_back(quote_identifier(column->name) + " " + column->type);
                // Without a default of the column, its domain's counts.
                const bool by_type = there.sets.count(column->name) == 0 && !column->default_expression;
                values.push_back(by_type ? "DEFAULT" : value->second);
            }
        }
        if (each.type != 'c' || !each.enforced || names.empty() || names.size() != each.columns.size()) {
            continue;
        }
        const bool refused = co_await is_refused(at, join(columns, ", "), join(values, ", "), each.definition);
        if (refused) {
            there.refused_by[names.front()] = {each.name, known.at(names.front())};
        }
    }
}

/// What only the server knows of columns that stay, in another form.
awaitable<void> ask_of_converted(build_context& at, const catalog::table& after, const plan::blueprint& into,
                                 transfer::way_there& there) {
    for (const transfer::column& forth : into.columns) {
        const catalog::column* made = after.find_column(forth.name);
        const catalog::column* old = forth.read_name ? at.source.find_column(*forth.read_name) : nullptr;
        if (made == nullptr || old == nullptr) {
            continue;
        }
        if (made->type != old->type) {
            const bool assigned = co_await is_assigned(at, made->type, old->type);
            if (assigned) {
                there.assignable.insert(old->name);
            }
        }
        if (forth.expression && *forth.expression != quote_identifier(old->name)) {
            there.computed_from[old->name] = at.values.at(made->attnum).reads;
        }
    }
}

}  // namespace

awaitable<transfer::way_back> plan_way_back(build_context& at, const catalog::table& after, const plan::blueprint& into,
                                            std::vector<std::string> back_sets) {
    const std::string index = into.key_index_is_temporary ? std::string() : into.key_index.name;
    transfer::way_there there{at.source, after, into.columns, into.key, index, {}, {}, {}, {}, {}};
    for (const std::string& text : back_sets) {
        const plan::assignment set = plan::parse_assignment(text);
        const std::string what = "--back-set " + text;
        if (there.sets.count(set.column) != 0) {
            throw error(exit_code::refused,
                        fmt::format("{}: column {} is set twice", what, display_identifier(set.column)));
        }
        transfer::back_set way = co_await read_back_set(at, after, set.expression, what);
        way.text = text;
        there.sets[set.column] = std::move(way);
    }
    co_await ask_of_converted(at, after, into, there);
    there.never_null = co_await never_null(at);
    co_await try_checks(at, there);
    co_return transfer::plan_way_back(there);
}

}  // namespace pgeist::target
