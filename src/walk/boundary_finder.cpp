#include "pgeist/walk/boundary_finder.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/walk/key_values.hpp"

namespace pgeist::walk {

namespace {

constexpr const char* bound_settings = R"sql(
    SELECT set_config('DateStyle', 'ISO, YMD', false), set_config('IntervalStyle', 'postgres', false),
           set_config('extra_float_digits', '3', false), set_config('bytea_output', 'hex', false),
           set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
           set_config('enable_sort', 'off', false), set_config('max_parallel_workers_per_gather', '0', false))sql";

/// Whether the walk gets on is asked of the server, by the index's own operators: one whose rows are not in that order
/// could keep it going round for ever.
bound_sql bound_query_with_values(const qualified_name& table, const key& key, const key_range& within,
                                  std::int64_t rows, reach which) {
    std::vector<std::string> columns;
    for (const key_column& column : key.columns) {
        const std::size_t number = columns.size() + 1;
        columns.push_back(fmt::format("s.{} AS k{}", quote_identifier(column.read_name), number));
    }
    const std::string gets_on = within.lower ? is_after_bound(key, "b") : "true";
    bound_sql query = range_predicate(key, within, side::read, "s");
    query.sql =
        fmt::format("SELECT {} AS gets_on, {} FROM (SELECT {} FROM {}{} AS s{} ORDER BY {} OFFSET {} LIMIT 1) AS b",
                    gets_on, readable_log_columns(key, "b"), join(columns, ", "), which == reach::only ? "ONLY " : "",
                    table.sql(), query.sql, order_by(key, "s"), std::max<std::int64_t>(rows, 1) - 1);
    return query;
}

}  // namespace

awaitable<void> prepare_for_bounds(pg::connection& session) { co_await session.query(bound_settings); }

std::string bound_query(const qualified_name& table, const key& key, const key_range& within, std::int64_t rows,
                        reach which) {
    return bound_query_with_values(table, key, within, rows, which).sql;
}

boundary_finder::boundary_finder(pg::connection& session, const qualified_name& table, const key& key,
                                 std::vector<key_range> within, reach which)
    : session_(&session), table_(&table), key_(&key), within_(std::move(within)), which_(which) {
    std::reverse(within_.begin(), within_.end());
}

error boundary_finder::not_in_order() const {
    const qualified_name index{table_->schema, key_->index};
    return error(exit_code::failed, fmt::format("the index {} is not in order: it cannot be walked", index.display()),
                 fmt::format("the source table is untouched; look at the index with amcheck's bt_index_check, mend it "
                             "with: REINDEX INDEX CONCURRENTLY {}; then remove this job with: pgeist cleanup, and run "
                             "again",
                             index.sql()));
}

awaitable<std::optional<key_range>> boundary_finder::next(std::int64_t rows) {
    std::optional<key_range> cut;
    if (within_.empty()) {
        co_return cut;
    }
    cut = within_.back();
    bound_sql query = bound_query_with_values(*table_, *key_, *cut, rows, which_);
    const pg::result found =
        co_await session_->query_params(std::move(query.sql), std::move(query.values), deadline::never());
    if (found.empty()) {
        within_.pop_back();
        co_return cut;
    }
    if (!found.boolean(0, "gets_on")) {
        throw not_in_order();
    }
    std::vector<std::string> end;
    for (int column = 1; column < found.columns(); ++column) {
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
