#include <algorithm>

#include <fmt/format.h>

#include "key_choice.hpp"
#include "pgeist/core/error.hpp"
#include "sql.hpp"
#include "steps.hpp"

namespace pgeist::shadow {

namespace {

// Strategies 1 to 5 of a btree family are < <= = >= >. Equality is hashed consistently if a hash family knows it.
constexpr const char* operators_sql = R"(
    SELECT format('OPERATOR(%s.%s)', quote_ident(n.nspname), o.oprname) AS operator,
           EXISTS (SELECT FROM pg_amop h JOIN pg_am m ON m.oid = h.amopmethod AND m.amname = 'hash'
                    WHERE h.amopopr = a.amopopr) AS hashable
      FROM pg_amop a JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
     WHERE a.amopfamily = $1 AND a.amoplefttype = $2 AND a.amoprighttype = $2 AND a.amoppurpose = 's'
     ORDER BY a.amopstrategy)";

struct operators {
    std::vector<std::string> by_strategy;  ///< from 0
    bool hashable = false;
};

constexpr std::size_t less = 0;
constexpr std::size_t less_equal = 1;
constexpr std::size_t equal = 2;
constexpr std::size_t greater_equal = 3;
constexpr std::size_t greater = 4;

awaitable<operators> read_operators(site& at, std::int64_t family, std::int64_t type) {
    const auto rows = co_await at.conn.query(operators_sql, family, type);
    operators found;
    for (int row = 0; row < rows.rows(); ++row) {
        found.by_strategy.push_back(rows.text(row, "operator"));
    }
    if (found.by_strategy.size() != greater + 1) {
        throw error(exit_code::refused,
                    fmt::format("the key of {} has an operator family that lacks operators", at.source.name.display()));
    }
    found.hashable = rows.boolean(equal, "hashable");
    co_return found;
}

/// One column of the key and what its counterpart in the shadow is found by.
awaitable<plan::key_column> plan_key_column(site& at, const catalog::table& after, const catalog::index_column& walked,
                                            const catalog::index_column& found_by, plan::key& into) {
    const auto* source = at.source.find_column(walked.attnum);
    const auto* shadow = after.find_column(found_by.attnum);
    const auto& value = at.values.at(shadow->attnum);
    const operators source_side = co_await read_operators(at, walked.operator_family, walked.input_type);
    const operators shadow_side = co_await read_operators(at, found_by.operator_family, found_by.input_type);
    plan::key_column column;
    column.source_name = source->name;
    column.shadow_name = shadow->name;
    column.type = source->type;
    column.collation = walked.collation;
    column.less = source_side.by_strategy[less];
    column.less_equal = source_side.by_strategy[less_equal];
    column.equal = source_side.by_strategy[equal];
    column.greater_equal = source_side.by_strategy[greater_equal];
    column.greater = source_side.by_strategy[greater];
    column.descending = walked.descending;
    column.to_shadow = *value.expression;
    column.shadow_type = shadow->type;
    column.shadow_equal = shadow_side.by_strategy[equal];
    into.order_preserved = into.order_preserved && value.plain && same_order(source->type, shadow->type) &&
                           walked.operator_family == found_by.operator_family && walked.collation == found_by.collation;
    into.hashable = into.hashable && source_side.hashable;
    co_return column;
}

/// A plain index over the key's columns in the shadow, dropped again before the swap. Its collations are the source's:
/// which keys are equal must not change on the way.
plan::index temporary_index(const site& at, const catalog::table& after, const std::vector<int>& columns,
                            const std::vector<catalog::index_column>& walked) {
    std::vector<std::string> parts;
    for (std::size_t place = 0; place < columns.size(); ++place) {
        const auto* shadow = after.find_column(columns[place]);
        const auto* source = at.source.find_column(walked[place].attnum);
        const bool same_type = source->type_oid == shadow->type_oid && !walked[place].collation.empty();
        parts.push_back(quote_identifier(shadow->name) + (same_type ? " COLLATE " + walked[place].collation : ""));
    }
    plan::index made;
    made.name = "pgeist_key";
    made.create_sql = fmt::format("CREATE INDEX pgeist_key ON {} USING btree ({})", at.shadow.sql(), join(parts, ", "));
    return made;
}

/// What the temporary index will look like, from the server itself.
awaitable<std::vector<catalog::index_column>> probe_index(site& at, plan::index made) {
    co_await at.conn.execute("SAVEPOINT pgeist_expression");
    statements create{{"the key index", made.create_sql}};
    co_await run_statements(at, std::move(create));
    const auto with_index = co_await read_shadow(at);
    co_await at.conn.execute("ROLLBACK TO SAVEPOINT pgeist_expression");
    co_await at.conn.execute("RELEASE SAVEPOINT pgeist_expression");
    co_return with_index.find_index(made.name)->columns;
}

/// Sizes of the source's indexes tell which builds take long.
std::int64_t size_of_counterpart(const site& at, const catalog::index& each) {
    const auto* counterpart = at.source.find_index(each.name);
    return counterpart != nullptr ? counterpart->bytes : 0;
}

}  // namespace

awaitable<void> plan_key_and_indexes(site& at, const catalog::table& after, plan::blueprint& into) {
    const auto& walked = choose_walked_index(at, after);
    std::vector<catalog::index_column> walked_columns;
    std::vector<int> mapped;
    for (const auto& column : walked.columns) {
        if (!column.included) {
            walked_columns.push_back(column);
            mapped.push_back(shadow_attnum(at, after, column.attnum));
        }
    }
    into.key.index = walked.name;
    const auto* found_by = choose_shadow_index(after, mapped);
    std::vector<catalog::index_column> found_columns;
    if (found_by != nullptr) {
        into.key_index = rebuild_index(after, *found_by, at.shadow);
        into.key_index.source_bytes = size_of_counterpart(at, *found_by);
        found_columns = found_by->columns;
    } else {
        into.key_index = temporary_index(at, after, mapped, walked_columns);
        into.key_index_is_temporary = true;
        found_columns = co_await probe_index(at, into.key_index);
    }
    for (std::size_t place = 0; place < walked_columns.size(); ++place) {
        auto column = co_await plan_key_column(at, after, walked_columns[place], found_columns[place], into.key);
        into.key.columns.push_back(std::move(column));
    }
    for (const auto& each : after.indexes) {
        if (&each != found_by) {
            into.indexes.push_back(rebuild_index(after, each, at.shadow));
            into.indexes.back().source_bytes = size_of_counterpart(at, each);
        }
    }
    std::stable_sort(into.indexes.begin(), into.indexes.end(),
                     [](const plan::index& a, const plan::index& b) { return a.source_bytes > b.source_bytes; });
}

}  // namespace pgeist::shadow
