#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

/// The columns of the shadow as an expression may name them: each stands for its value so far.
std::vector<known_column> columns_so_far(const build_context& at, const catalog::table& shadow) {
    std::vector<known_column> known;
    for (const auto& column : shadow.columns) {
        known_column each;
        each.name = column.name;
        const auto found = at.values.find(column.attnum);
        if (found != at.values.end() && found->second.expression) {
            const auto& value = found->second;
            const bool as_it_is = value.plain && value.type == column.type;
            each.sql = as_it_is ? *value.expression : fmt::format("CAST({} AS {})", *value.expression, column.type);
            each.reads = value.reads;
        } else if (at.source_attnums.count(column.attnum) != 0) {
            // A generated column has no expression of its own, but the source's can be read.
            const auto* from = at.source.find_column(at.source_attnums.at(column.attnum));
            each.sql = quote_identifier(from->name);
            each.reads = {from->name};
        }
        known.push_back(std::move(each));
    }
    return known;
}

/// Two changes of type in a row: what the first one's assignment cast does must not be lost. An explicit cast does the
/// same, except that it cuts a string that is too long instead of failing.
std::string cast_to_current(const column_value& value, const catalog::column& column) {
    if (column.type.rfind("character", 0) == 0 || column.type.rfind("bit", 0) == 0) {
        throw error(
            exit_code::refused,
            fmt::format("column {} is changed to {} and then once more", display_identifier(column.name), column.type),
            "change its type once, to the last one");
    }
    return fmt::format("CAST({} AS {})", *value.expression, column.type);
}

/// The values that the ALTER … TYPE clauses of one statement give. All of them read the row as it was before the
/// statement.
awaitable<std::map<int, column_value>> retyped_values(build_context& at, const plan::alter_statement& alter,
                                                      const catalog::table& shadow) {
    std::map<int, column_value> changed;
    const auto known = columns_so_far(at, shadow);
    for (const auto& clause : alter.clauses) {
        const auto* column = clause.kind == plan::clause_kind::alter_type ? shadow.find_column(clause.column) : nullptr;
        if (column == nullptr || at.values.count(column->attnum) == 0) {
            continue;
        }
        column_value value = at.values.at(column->attnum);
        if (clause.using_expression && plan::is_bare_literal(*clause.using_expression)) {
            value = column_value();
            value.literal = *clause.using_expression;
            value.note = "USING " + *clause.using_expression;
        } else if (clause.using_expression) {
            std::string what = fmt::format("USING of column {}", display_identifier(column->name));
            const auto found =
                co_await resolve_expression(at, at.shadow, known, *clause.using_expression, std::move(what));
            value.expression = found.sql;
            value.reads = found.reads;
            value.type.clear();
            value.plain = false;
            value.compared = found.repeatable;
            value.note = "USING " + *clause.using_expression;
        } else if (value.expression && value.type != column->type) {
            value.expression = cast_to_current(value, *column);
            value.plain = false;
            value.type = column->type;
        }
        changed[column->attnum] = std::move(value);
    }
    co_return changed;
}

/// Rows that are there already get what ALTER TABLE … ADD COLUMN gives them: a default that does not change is
/// evaluated once, now; any other for each row, by the shadow itself.
awaitable<column_value> new_value(build_context& at, catalog::column column) {
    column_value value;
    value.type = column.type;
    if (column.generated != 0) {
        value.compared = false;
        value.note = "generated";
        co_return value;
    }
    if (column.identity != 0 || column.default_is_volatile) {
        value.compared = false;
        value.note =
            column.identity != 0 ? "identity, a new number for each row" : "its default, evaluated for each row";
        co_return value;
    }
    const auto domain = co_await at.conn.query(
        "SELECT EXISTS (SELECT FROM pg_type WHERE oid = $1 AND typtype = 'd' AND typdefault IS NOT NULL)",
        column.type_oid);
    if (!column.default_expression && domain.boolean(0, 0)) {
        value.compared = false;
        value.note = "the domain's default";
        co_return value;
    }
    value.expression = co_await evaluate_default(at, column);
    value.note = column.default_expression ? "default " + *column.default_expression : "NULL";
    co_return value;
}

/// Whether a column that gets another type is converted through the names of things, which depend on the search_path.
bool is_converted_by_name(const std::string& from, const std::string& to) {
    const auto is_number = [](const std::string& type) {
        return type.rfind("oid", 0) == 0 || type.rfind("integer", 0) == 0 || type.rfind("bigint", 0) == 0;
    };
    return is_of_names(from) != is_of_names(to) && !is_number(from) && !is_number(to);
}

std::vector<known_column> columns_of_source(const build_context& at) {
    std::vector<known_column> known;
    for (const auto& column : at.source.columns) {
        known_column each;
        each.name = column.name;
        each.sql = quote_identifier(column.name);
        each.reads = {column.name};
        known.push_back(std::move(each));
    }
    return known;
}

awaitable<void> convert_by_name(build_context& at, column_value& value, catalog::column into) {
    std::string type = "text";
    if (is_of_names(into.type)) {
        type = into.type;
    } else if (value.type.ends_with("[]")) {
        type += "[]";
    }
    std::string what = fmt::format("the new type of column {}", display_identifier(into.name));
    std::string text = fmt::format("{}::pg_catalog.{}", *value.expression, type);
    const auto found = co_await resolve_expression(at, at.source.name, columns_of_source(at), std::move(text), what);
    value.expression = found.sql;
    value.type = type;
    value.plain = false;
    value.compared = found.repeatable;
}

awaitable<void> follow_columns(build_context& at, std::map<int, column_value> retyped) {
    const auto shadow = co_await catalog::read_shape(at.conn, at.shadow_oid);
    for (auto& [attnum, value] : retyped) {
        at.values[attnum] = std::move(value);
    }
    std::map<int, column_value> kept;
    for (const auto& column : shadow.columns) {
        const auto known = at.values.find(column.attnum);
        if (known != at.values.end()) {
            kept[column.attnum] = known->second;
            auto& value = kept[column.attnum];
            if (!value.literal.empty()) {
                std::string what = fmt::format("USING of column {}", display_identifier(column.name));
                value.expression = co_await evaluate_literal(at, column, value.literal, std::move(what));
                value.type = column.type;
                value.literal.clear();
            }
            if (value.plain && is_converted_by_name(value.type, column.type)) {
                co_await convert_by_name(at, value, column);
            }
        } else {
            kept[column.attnum] = co_await new_value(at, column);
        }
    }
    at.values = std::move(kept);
}

/// Some things can be changed for a whole family of tables only.
std::string family(const build_context& at) {
    return at.source.inherits.empty()
               ? std::string()
               : fmt::format("; {} {} {}", at.source.name.display(),
                             at.source.is_partition ? "is a partition of" : "inherits from", at.source.parents);
}

[[noreturn]] void refuse_clause(const build_context& at, const std::string& text, const pg::sql_error& problem) {
    const auto& diag = problem.diag();
    std::string message = fmt::format("{}: {}", text, in_user_words(at, diag.message));
    if (!diag.detail.empty()) {
        message += fmt::format(" ({})", in_user_words(at, diag.detail));
    }
    if (problem.is(pg::sqlstate::duplicate_column) && !at.differences.empty()) {
        message += ": " + at.differences;
    }
    throw error(exit_code::refused, message + family(at), hint_for(at, problem));
}

/// Throws for the statement that failed with `problem`, naming the clause at fault: the first that fails by itself.
awaitable<void> refuse_statement(build_context& at, const plan::alter_statement& given, const pg::sql_error& problem) {
    for (const auto& clause : given.clauses) {
        plan::alter_statement alone;
        alone.clauses.push_back(clause);
        const auto failed = co_await try_alter(at, std::move(alone));
        if (failed) {
            refuse_clause(at, clause.text, *failed);
        }
    }
    refuse_clause(at, plan::alter_sql(at.source.name.display(), given), problem);
}

}  // namespace

awaitable<void> apply_clauses(build_context& at, std::vector<plan::alter_statement> alters) {
    for (const auto& given : alters) {
        const auto shadow = co_await catalog::read_shape(at.conn, at.shadow_oid);
        auto retyped = co_await retyped_values(at, given, shadow);
        const auto failed = co_await try_alter(at, given);
        if (failed) {
            co_await refuse_statement(at, given, *failed);
        }
        co_await follow_columns(at, std::move(retyped));
    }
}

awaitable<void> apply_assignments(build_context& at) {
    const std::vector<known_column> known = columns_of_source(at);
    for (const auto& text : at.change.sets) {
        const auto set = plan::parse_assignment(text);
        const auto shadow = co_await catalog::read_shape(at.conn, at.shadow_oid);
        const auto* column = shadow.find_column(set.column);
        const std::string what = "--set " + text;
        if (column == nullptr || column->generated != 0) {
            throw error(exit_code::refused, fmt::format("{}: the new table has no column {} that can be set", what,
                                                        display_identifier(set.column)));
        }
        column_value value;
        if (plan::is_bare_literal(set.expression)) {
            value.expression = co_await evaluate_literal(at, *column, set.expression, what);
        } else {
            const auto found = co_await resolve_expression(at, at.source.name, known, set.expression, what);
            value.expression = found.sql;
            value.reads = found.reads;
            value.compared = found.repeatable;
        }
        value.note = "= " + set.expression;
        at.values[column->attnum] = std::move(value);
    }
}

}  // namespace pgeist::target
