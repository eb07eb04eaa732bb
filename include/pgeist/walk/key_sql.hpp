#pragma once

#include <string>

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/walk/key_range.hpp"

namespace pgeist::walk {

/// A piece of SQL with the values of its parameters `$1` ….
struct bound_sql {
    std::string sql;
    pg::parameters values;
};

/// Whose columns a predicate names.
enum class side { source, shadow };

/// ` WHERE …` for the keys of `range`, over the columns of `alias`; empty for the whole key space. For the shadow the
/// bounds are those of the source: its key columns compare with the source's key (see plan::key::carried).
[[nodiscard]] bound_sql range_predicate(const plan::key& key, const key_range& range, side of,
                                        const std::string& alias);

/// `a."id", a."part" DESC`: the order of the walked index.
[[nodiscard]] std::string order_by(const plan::key& key, const std::string& alias);

/// `a."id", a."part"` of the source.
[[nodiscard]] std::string source_columns(const plan::key& key, const std::string& alias);

/// `k1, k2`: the log's columns.
[[nodiscard]] std::string log_columns(const plan::key& key);

/// `k1 type COLLATE …, k2 …`: definition of the log's columns.
[[nodiscard]] std::string log_column_definitions(const plan::key& key);

/// Source and log rows (or log and log) with the same key: `s."id" = l.k1 AND …` by the walked index's equality.
[[nodiscard]] std::string source_equals_log(const plan::key& key, const std::string& source_alias,
                                            const std::string& log_alias);

/// Rows of the shadow and log rows with the same key: `t."id" = l.k1 AND …`.
[[nodiscard]] std::string shadow_equals_log(const plan::key& key, const std::string& shadow_alias,
                                            const std::string& log_alias);

/// `ORDER BY` list over the arrays of text in which bounds are stored: `(lower[1])::type, …` in the walked order.
[[nodiscard]] std::string order_by_stored(const plan::key& key, const std::string& array);

}  // namespace pgeist::walk
