#include "pgeist/plan/row_order.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

// The order of a btree index, column by column, as ORDER BY has it. Includes nothing that only hangs on.
constexpr const char* index_order_sql = R"sql(
    SELECT CASE WHEN a.attname IS NOT NULL THEN quote_ident(a.attname)
                ELSE '(' || pg_get_indexdef(i.indexrelid, n, false) || ')' END AS expression,
           coalesce(a.attname, '') AS name,
           CASE WHEN c.oid IS NULL THEN '' ELSE format(' COLLATE %I.%I', cn.nspname, c.collname) END
           || format(' USING OPERATOR(%I.%s)', opn.nspname, o.oprname)
           || CASE WHEN i.indoption[n - 1] & 2 <> 0 THEN ' NULLS FIRST' ELSE ' NULLS LAST' END AS direction
      FROM pg_index i CROSS JOIN generate_series(1, i.indnkeyatts) AS n
      JOIN pg_opclass oc ON oc.oid = i.indclass[n - 1]
      JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amoplefttype = oc.opcintype
                     AND ao.amoprighttype = oc.opcintype
                     AND ao.amopstrategy = CASE WHEN i.indoption[n - 1] & 1 <> 0 THEN 5 ELSE 1 END
      JOIN pg_operator o ON o.oid = ao.amopopr
      JOIN pg_namespace opn ON opn.oid = o.oprnamespace
      LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1] AND a.attnum > 0
      LEFT JOIN (pg_collation c JOIN pg_namespace cn ON cn.oid = c.collnamespace) ON c.oid = i.indcollation[n - 1]
     WHERE i.indexrelid = $1::bigint::oid ORDER BY n)sql";

constexpr const char* correlation_sql = R"sql(
    SELECT s.correlation::float8
      FROM pg_stats s JOIN pg_namespace n ON n.nspname = s.schemaname
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
     WHERE c.oid = $1::bigint::oid AND s.attname = $2 AND NOT s.inherited)sql";

[[noreturn]] void refuse(std::string what, std::string hint) {
    throw error(exit_code::refused, std::move(what), std::move(hint));
}

const catalog::column* column_named(const catalog::table& table, const qualified_name& name) {
    const auto found = std::find_if(table.columns.begin(), table.columns.end(),
                                    [&](const catalog::column& each) { return each.name == name.name; });
    return found == table.columns.end() || !name.schema.empty() ? nullptr : &*found;
}

const catalog::index& index_for(const build_context& at, const qualified_name& name) {
    const catalog::index* found = at.source.find_index(name.name);
    const std::string table = at.source.name.display();
    if (found == nullptr || (!name.schema.empty() && name.schema != at.source.name.schema)) {
        refuse(fmt::format("{} has neither a column nor an index {}", table, name.display()),
               "--order-by takes COLUMN [DESC], … or an index of the table");
    }
    const std::string is = fmt::format("index {} of {}", display_identifier(found->name), table);
    if (found->predicate) {
        refuse(is + " is partial: it has no order for the rows that are not in it", "name the columns instead");
    }
    if (found->method != "btree") {
        refuse(fmt::format("{} is of method {}, which has no order", is, found->method), "name the columns instead");
    }
    if (!found->valid) {
        refuse(is + " is not valid", "REINDEX it, or name the columns instead");
    }
    return *found;
}

awaitable<void> order_of_index(build_context& at, const catalog::index& index, plan::blueprint& into) {
    const pg::result rows = co_await read_definition(at, index_order_sql, index.oid);
    for (int row = 0; row < rows.rows(); ++row) {
        into.order.push_back({rows.text(row, "expression"), rows.text(row, "direction")});
        into.ordered_by.push_back(rows.text(row, "name"));
    }
    into.order_text = "index " + display_identifier(index.name);
    // The mark that CLUSTER leaves: it tells the next one in which order to put the table.
    co_await at.conn.execute(
        fmt::format("ALTER TABLE {} CLUSTER ON {}", at.shadow.sql(), quote_identifier(index.name)));
}

void order_of_columns(const build_context& at, const std::vector<plan::order_word>& words, plan::blueprint& into) {
    std::vector<std::string> texts;
    for (const plan::order_word& each : words) {
        const catalog::column* column = column_named(at.source, each.name);
        if (column == nullptr) {
            refuse(fmt::format("{} has no column {}", at.source.name.display(), each.name.display()),
                   "--order-by takes COLUMN [DESC], … or an index of the table");
        }
        std::string direction = each.descending ? " DESC" : "";
        if (each.nulls_first) {
            direction += *each.nulls_first ? " NULLS FIRST" : " NULLS LAST";
        }
        into.order.push_back({quote_identifier(column->name), direction});
        into.ordered_by.push_back(column->name);
        texts.push_back(display_identifier(column->name) + direction);
    }
    into.order_text = join(texts, ", ");
}

void require_kept_values(const build_context& at, const plan::blueprint& plan) {
    if (at.change.sets.empty()) {
        return;
    }
    for (const auto& [attnum, value] : at.values) {
        const auto source = at.source_attnums.find(attnum);
        const auto* column = source == at.source_attnums.end() ? nullptr : at.source.find_column(source->second);
        const bool ordered = column != nullptr && std::find(plan.ordered_by.begin(), plan.ordered_by.end(),
                                                            column->name) != plan.ordered_by.end();
        if (ordered && !value.plain) {
            refuse(fmt::format("--set gives column {} other values than those that the rows are to be ordered by",
                               display_identifier(column->name)),
                   "set them first, and put the rows in order by another run");
        }
    }
}

}  // namespace

awaitable<std::optional<double>> correlation_of(pg::connection& conn, std::int64_t table, const plan::blueprint& plan) {
    std::optional<double> found;
    if (plan.ordered_by.empty() || plan.ordered_by.front().empty()) {
        co_return found;
    }
    const pg::result row = co_await conn.query(correlation_sql, table, plan.ordered_by.front());
    if (!row.empty() && !row.is_null(0, 0)) {
        found = row.number(0, 0);
    }
    co_return found;
}

awaitable<void> plan_row_order(build_context& at, plan::blueprint& into) {
    if (!at.change.order_by) {
        co_return;
    }
    co_await require_heap(at);
    const std::vector<plan::order_word> words = plan::parse_row_order(*at.change.order_by);
    const bool is_index = words.size() == 1 && words[0].bare && column_named(at.source, words[0].name) == nullptr;
    if (is_index) {
        const catalog::index& index = index_for(at, words[0].name);
        co_await order_of_index(at, index, into);
    } else {
        order_of_columns(at, words, into);
    }
    require_kept_values(at, into);
    into.correlation = co_await correlation_of(at.conn, at.source.oid, into);
}

void add_key_to_row_order(plan::blueprint& into) {
    if (into.order.empty()) {
        return;
    }
    for (const plan::key_column& each : into.key.columns) {
        const std::string collate = each.collation.empty() ? "" : " COLLATE " + each.collation;
        into.order.push_back({quote_identifier(each.read_name),
                              fmt::format("{} USING {}", collate, each.descending ? each.greater : each.less)});
    }
}

}  // namespace pgeist::target
