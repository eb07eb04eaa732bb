#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

// The columns that a generated column of the shadow is made of.
constexpr const char* inputs_sql = R"(
    SELECT d.adnum, r.refobjsubid FROM pg_attrdef d
      JOIN pg_depend r ON r.classid = 'pg_attrdef'::regclass AND r.objid = d.oid
       AND r.refclassid = 'pg_class'::regclass AND r.refobjid = d.adrelid AND r.refobjsubid <> d.adnum
     WHERE d.adrelid = $1)";

/// Unchanged: the same value of the same type, so that whatever is computed from it is the same too.
bool is_unchanged(const build_context& at, const catalog::column& column) {
    const auto value = at.values.find(column.attnum);
    return value != at.values.end() && value->second.plain && value->second.type == column.type;
}

/// A generated column of both tables can be compared when it is the same function of unchanged columns.
bool generated_comparable(const build_context& at, const catalog::table& after, const catalog::column& column,
                          const pg::result& inputs) {
    const auto from = at.source_attnums.find(column.attnum);
    const auto* source = from == at.source_attnums.end() ? nullptr : at.source.find_column(from->second);
    if (source == nullptr || source->generated == 0 || source->type != column.type ||
        source->default_expression != column.default_expression) {
        return false;
    }
    for (int row = 0; row < inputs.rows(); ++row) {
        if (inputs.integer(row, 0) != column.attnum) {
            continue;
        }
        const auto* input = after.find_column(static_cast<int>(inputs.integer(row, 1)));
        if (input == nullptr || !is_unchanged(at, *input)) {
            return false;
        }
    }
    return true;
}

std::string describe_conversion(const build_context& at, const catalog::column& column, const column_value& value,
                                const catalog::column* source) {
    if (column.generated != 0) {
        return "generated";
    }
    if (!value.note.empty()) {
        return value.note;
    }
    if (source != nullptr && (source->type != column.type || source->collation != column.collation)) {
        return fmt::format("{} → {}", source->type, column.type);
    }
    return is_unchanged(at, column) ? "unchanged" : value.expression.value_or("");
}

plan::column map_column(const build_context& at, const catalog::table& after, const catalog::column& column,
                        const pg::result& inputs) {
    plan::column mapped;
    mapped.name = column.name;
    mapped.type = column.type;
    const auto from = at.source_attnums.find(column.attnum);
    const auto* source = from == at.source_attnums.end() ? nullptr : at.source.find_column(from->second);
    if (source != nullptr) {
        mapped.read_name = source->name;
    }
    const auto& value = at.values.at(column.attnum);
    mapped.conversion = describe_conversion(at, column, value, source);
    mapped.compared = value.compared;
    if (column.generated != 0) {
        mapped.compared = generated_comparable(at, after, column, inputs);
    } else if (!value.expression && source != nullptr && source->generated != 0) {
        // DROP EXPRESSION keeps what was computed so far.
        mapped.expression = quote_identifier(source->name);
        mapped.conversion = "no longer generated";
    } else {
        mapped.expression = value.expression;
    }
    return mapped;
}

/// A bare NULL in an array is a value to sessions with array_nulls = off, as those of the run are then, because what
/// the rows hold is converted as the user's sessions would. But the server prints none that is one.
void require_no_bare_null(const build_context& at, const plan::column& column) {
    const auto& settings = at.conn.profile().settings();
    const bool off = std::any_of(settings.begin(), settings.end(),
                                 [](const auto& each) { return each.first == "array_nulls" && each.second == "off"; });
    const std::string text = column.expression.value_or("");
    if (off && text.find("'{") != std::string::npos && text.find("NULL") != std::string::npos) {
        throw error(
            exit_code::refused,
            fmt::format("the value of column {} has an array with a NULL in it, which sessions with array_nulls "
                        "= off cannot read",
                        display_identifier(column.name)),
            "set array_nulls to on for the time of the run: PGOPTIONS='-c array_nulls=on'");
    }
}

}  // namespace

bool is_of_names(const std::string& type) {
    static const std::set<std::string> names{"regproc",  "regprocedure", "regoper",     "regoperator",
                                             "regclass", "regtype",      "regconfig",   "regdictionary",
                                             "regrole",  "regnamespace", "regcollation"};
    return names.count(type.substr(0, type.find('['))) != 0;
}

awaitable<std::vector<plan::column>> map_columns(build_context& at, const catalog::table& after) {
    const auto inputs = co_await at.conn.query(inputs_sql, at.shadow_oid);
    std::vector<plan::column> columns;
    for (const auto& column : after.columns) {
        columns.push_back(map_column(at, after, column, inputs));
        require_no_bare_null(at, columns.back());
    }
    co_return columns;
}

}  // namespace pgeist::target
