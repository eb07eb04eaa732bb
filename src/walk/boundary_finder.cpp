#include "pgeist/walk/boundary_finder.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/walk/key_sql.hpp"

namespace pgeist::walk {

namespace {

constexpr const char* bound_settings = R"sql(
    SELECT set_config('DateStyle', 'ISO, YMD', false), set_config('IntervalStyle', 'postgres', false),
           set_config('extra_float_digits', '3', false), set_config('bytea_output', 'hex', false),
           set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
           set_config('enable_sort', 'off', false), set_config('max_parallel_workers_per_gather', '0', false))sql";

/// The text is made outside: the server would make it of every row that OFFSET passes over.
bound_sql bound_query_with_values(const qualified_name& table, const plan::key& key, const key_range& within,
                                  std::int64_t rows) {
    std::vector<std::string> columns;
    std::vector<std::string> texts;
    for (const plan::key_column& column : key.columns) {
        const std::size_t number = columns.size() + 1;
        columns.push_back(fmt::format("s.{} AS k{}", quote_identifier(column.source_name), number));
        texts.push_back(fmt::format("b.k{0}::text AS bound{0}", number));
    }
    bound_sql query = range_predicate(key, within, side::source, "s");
    query.sql = fmt::format("SELECT {} FROM (SELECT {} FROM ONLY {} AS s{} ORDER BY {} OFFSET {} LIMIT 1) AS b",
                            join(texts, ", "), join(columns, ", "), table.sql(), query.sql, order_by(key, "s"),
                            std::max<std::int64_t>(rows, 1) - 1);
    return query;
}

}  // namespace

awaitable<void> prepare_for_bounds(pg::connection& session) { co_await session.query(bound_settings); }

std::string bound_query(const qualified_name& table, const plan::key& key, const key_range& within, std::int64_t rows) {
    return bound_query_with_values(table, key, within, rows).sql;
}

boundary_finder::boundary_finder(pg::connection& session, const qualified_name& table, const plan::key& key,
                                 std::vector<key_range> within)
    : session_(&session), table_(&table), key_(&key), within_(std::move(within)) {
    std::reverse(within_.begin(), within_.end());
}

awaitable<std::optional<key_range>> boundary_finder::next(std::int64_t rows) {
    std::optional<key_range> cut;
    if (within_.empty()) {
        co_return cut;
    }
    cut = within_.back();
    bound_sql query = bound_query_with_values(*table_, *key_, *cut, rows);
    const pg::result found =
        co_await session_->query_params(std::move(query.sql), std::move(query.values), deadline::never());
    if (found.empty()) {
        within_.pop_back();
        co_return cut;
    }
    std::vector<std::string> end;
    for (int column = 0; column < found.columns(); ++column) {
        end.push_back(found.text(0, column));
    }
    if (cut->upper == end) {
        within_.pop_back();
    } else {
        within_.back().lower = end;
        cut->upper = std::move(end);
    }
    co_return cut;
}

}  // namespace pgeist::walk
