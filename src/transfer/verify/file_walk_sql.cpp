#include <fmt/format.h>

#include "pgeist/transfer/touched.hpp"
#include "pgeist/transfer/verify/file_walk.hpp"
#include "pgeist/transfer/verify/verify_sql.hpp"
#include "pgeist/walk/key_values.hpp"

namespace pgeist::verify {

namespace {

void add_values(walk::bound_sql& into, const file_walk_statements::key_window& window) {
    into.values.insert(into.values.end(), window.first.begin(), window.first.end());
    into.values.insert(into.values.end(), window.last.begin(), window.last.end());
}

}  // namespace

std::string file_walk_statements::rows() const {
    std::string columns = "s.ctid AS place";
    for (std::size_t at = 0; at < transfer_->key.columns.size(); ++at) {
        columns += fmt::format(", s.{} AS k{}", quote_identifier(transfer_->key.columns[at].read_name), at + 1);
    }
    return fmt::format("SELECT {} FROM ONLY {} AS s", columns, transfer_->read.name.sql());
}

walk::bound_sql file_walk_statements::over_rows(const walk::key_range& range, const std::string& select) const {
    walk::bound_sql sql = walk::range_predicate(walk::key_of_places(), range, walk::side::read, "s");
    // OFFSET 0: whatever is asked of these rows, they are found by their place, and not by an index in whose order, or
    // by whose condition, they are wanted.
    sql.sql = fmt::format("SELECT {} FROM ({}{} OFFSET 0) AS b", select, rows(), sql.sql);
    return sql;
}

// Both are subqueries that yield a value: EXISTS could be hashed, which reads the whole table for each range, and a
// condition on the place would be met by going there.
std::string file_walk_statements::led_to() const {
    return fmt::format("(b.place = (SELECT s.ctid FROM ONLY {} AS s WHERE {})) IS TRUE", transfer_->read.name.sql(),
                       walk::read_equals_log(transfer_->key, "s", "b"));
}

std::string file_walk_statements::is_written() const {
    return fmt::format("(SELECT true FROM {} AS t WHERE {} LIMIT 1) IS TRUE", transfer_->write.name.sql(),
                       walk::write_equals_log(transfer_->key, "t", "b"));
}

walk::bound_sql file_walk_statements::look(const walk::key_range& range,
                                           const std::optional<key_window>& looked_at) const {
    walk::bound_sql sql = over_rows(range, fmt::format("{} AS led_to, {} AS in_write", led_to(), is_written()));
    if (looked_at) {
        sql.sql += fmt::format(" WHERE NOT ({})", walk::within(walk::as_logged(transfer_->key), walk::side::read, "b",
                                                               sql.values.size() + 1));
        add_values(sql, *looked_at);
    }
    sql.sql = fmt::format(
        "SELECT count(*) AS rows, count(*) FILTER (WHERE NOT f.led_to) AS not_led_to, "
        "count(*) FILTER (WHERE NOT f.in_write) AS not_written FROM ({} OFFSET 0) AS f",
        sql.sql);
    return sql;
}

walk::bound_sql file_walk_statements::look_in_order(const walk::key_range& range, const key_window& window) const {
    walk::bound_sql sql = over_rows(range, "b.*");
    const std::size_t number = sql.values.size() + 1;
    const auto of_source = [&](const char* alias) {
        return walk::within(walk::as_logged(transfer_->key), walk::side::read, alias, number);
    };
    std::string written_keys;
    for (std::size_t at = 0; at < transfer_->key.columns.size(); ++at) {
        written_keys += fmt::format(", t.{} AS k{}", quote_identifier(transfer_->key.columns[at].write_name), at + 1);
    }
    sql.sql = fmt::format(
        "SELECT count(*) AS rows, count(*) FILTER (WHERE s.place IS DISTINCT FROM b.place) AS not_led_to, "
        "count(*) FILTER (WHERE t.present IS NULL) AS not_written "
        "FROM ({} WHERE {}) AS b LEFT JOIN ({} WHERE {}) AS s ON {} LEFT JOIN (SELECT true AS present{} FROM {} AS t "
        "WHERE {}) AS t ON {}",
        sql.sql, of_source("b"), rows(), walk::within(transfer_->key, walk::side::read, "s", number),
        walk::log_equals_log(transfer_->key, "s", "b"), written_keys, transfer_->write.name.sql(),
        walk::within(transfer_->key, walk::side::write, "t", number), walk::log_equals_log(transfer_->key, "t", "b"));
    add_values(sql, window);
    return sql;
}

walk::bound_sql file_walk_statements::count(const walk::key_range& range) const { return over_rows(range, "count(*)"); }

walk::bound_sql file_walk_statements::find_window(const walk::key_range& range, std::int64_t strays) const {
    walk::bound_sql sql = over_rows(range, walk::readable_log_columns(transfer_->key, "b"));
    const walk::key logged = walk::as_logged(transfer_->key);
    const auto edge = [&](const walk::key& order) {
        return fmt::format("({} ORDER BY {} OFFSET {} LIMIT 1)", sql.sql, walk::order_by(order, "b"), strays);
    };
    sql.sql = edge(logged) + " UNION ALL " + edge(walk::reversed(logged));
    return sql;
}

walk::bound_sql file_walk_statements::count_written(const key_window& window, std::int64_t most) const {
    walk::bound_sql sql;
    sql.sql = fmt::format("SELECT count(*) FROM (SELECT FROM {} AS t WHERE {} LIMIT {}) AS f",
                          transfer_->write.name.sql(), walk::within(transfer_->key, walk::side::write, "t", 1), most);
    add_values(sql, window);
    return sql;
}

walk::bound_sql file_walk_statements::find_not_led_to(const walk::key_range& range) const {
    walk::bound_sql sql = over_rows(range, walk::readable_log_columns(transfer_->key, "b"));
    sql.sql += fmt::format(" WHERE NOT {} LIMIT 1", led_to());
    return sql;
}

walk::bound_sql file_walk_statements::queue_missing(const walk::key_range& range) const {
    const std::string columns = walk::log_columns(transfer_->key);
    const std::string log = transfer_->log().sql();
    walk::bound_sql sql = over_rows(range, "b.*");
    sql.sql = fmt::format(
        "WITH missing AS MATERIALIZED ({0} WHERE NOT {1}), "
        "unexplained AS (SELECT {2} FROM missing AS m WHERE NOT EXISTS (SELECT FROM {3} AS l WHERE {4}){7}), "
        "found AS (INSERT INTO {5} ({2}, repaired) SELECT {2}, true FROM unexplained RETURNING {2}) "
        "INSERT INTO {3} ({2}{8}) SELECT {2}{9} FROM found RETURNING {6}",
        sql.sql, is_written(), columns, log, walk::log_equals_log(transfer_->key, "l", "m"), transfer_->recheck().sql(),
        walk::readable_log_columns(transfer_->key, "pgeist_log"),
        transfer_->sets_apart ? " AND NOT " + is_set_apart(*transfer_, "m") : "", transfer::asked_column(*transfer_),
        transfer::asked_value(*transfer_));
    return sql;
}

}  // namespace pgeist::verify
