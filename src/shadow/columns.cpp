#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "steps.hpp"

namespace pgeist::shadow {

namespace {

// The columns that a generated column of the shadow is made of.
constexpr const char* inputs_sql = R"(
    SELECT d.adnum, r.refobjsubid FROM pg_attrdef d
      JOIN pg_depend r ON r.classid = 'pg_attrdef'::regclass AND r.objid = d.oid
       AND r.refclassid = 'pg_class'::regclass AND r.refobjid = d.adrelid AND r.refobjsubid <> d.adnum
     WHERE d.adrelid = $1)";

/// Unchanged: the same value of the same type, so that whatever is computed from it is the same too.
bool is_unchanged(const site& at, const catalog::column& column) {
    const auto value = at.values.find(column.attnum);
    return value != at.values.end() && value->second.plain && value->second.type == column.type;
}

/// A generated column of both tables can be compared when it is the same function of unchanged columns.
bool generated_comparable(const site& at, const catalog::table& after, const catalog::column& column,
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

std::string describe_conversion(const site& at, const catalog::column& column, const column_value& value,
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

plan::column map_column(const site& at, const catalog::table& after, const catalog::column& column,
                        const pg::result& inputs) {
    plan::column mapped;
    mapped.name = column.name;
    mapped.type = column.type;
    const auto from = at.source_attnums.find(column.attnum);
    const auto* source = from == at.source_attnums.end() ? nullptr : at.source.find_column(from->second);
    if (source != nullptr) {
        mapped.source_name = source->name;
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

}  // namespace

awaitable<std::vector<plan::column>> map_columns(site& at, const catalog::table& after) {
    const auto inputs = co_await at.conn.query(inputs_sql, at.shadow_oid);
    std::vector<plan::column> columns;
    for (const auto& column : after.columns) {
        columns.push_back(map_column(at, after, column, inputs));
    }
    co_return columns;
}

}  // namespace pgeist::shadow
