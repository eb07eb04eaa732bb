#pragma once

#include <string>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/walk/key.hpp"
#include "pgeist/walk/key_range.hpp"

namespace pgeist::walk {

/// A piece of SQL with the values of its parameters `$1` ….
struct bound_sql {
    std::string sql;
    pg::parameters values;
};

/// Whose columns a predicate names.
enum class side { read, write };

/// ` WHERE …` for the keys of `range`, over the columns of `alias`; empty for the whole key space. For the write side
/// the bounds are those of the read side: its key columns compare with the read side's key (see key::carried).
[[nodiscard]] bound_sql range_predicate(const key& key, const key_range& range, side of, const std::string& alias);

/// `a."id", a."part" DESC`: the order of the walked index.
[[nodiscard]] std::string order_by(const key& key, const std::string& alias);

/// `a."id", a."part"` of the read side.
[[nodiscard]] std::string read_columns(const key& key, const std::string& alias);

/// `k1, k2`: the log's columns.
[[nodiscard]] std::string log_columns(const key& key);

/// `k1 type COLLATE …, k2 …`: definition of the log's columns.
[[nodiscard]] std::string log_column_definitions(const key& key);

/// Source and log rows (or log and log) with the same key: `s."id" = l.k1 AND …` by the walked index's equality.
[[nodiscard]] std::string read_equals_log(const key& key, const std::string& read_alias, const std::string& log_alias);

/// Rows of the write side and log rows with the same key: `t."id" = l.k1 AND …`.
[[nodiscard]] std::string write_equals_log(const key& key, const std::string& write_alias,
                                           const std::string& log_alias);

/// `ORDER BY` list over the arrays of text in which bounds are stored: `(lower[1])::type, …` in the walked order.
[[nodiscard]] std::string order_by_stored(const key& key, const std::string& array);

}  // namespace pgeist::walk
