#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/catalog/table.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::catalog {

struct view_column {
    std::string name;
    access_list acl;
    std::optional<std::string> default_expression;
    catalog::operator_schemas operator_schemas;  ///< of the default
    std::optional<std::string> comment;
};

/// A view with all that it takes to make it again.
struct view {
    std::int64_t oid = 0;
    qualified_name name;
    std::string owner;
    bool owned = true;  ///< the current role has the owner's rights
    std::string extension;
    std::vector<std::string> options;  ///< `security_barrier=true` …
    std::string definition;            ///< the query, without the semicolon, every name qualified
    used_operators operators;          ///< of the query
    access_list acl;
    access_list implied_acl;  ///< what a new view of that owner has
    std::optional<std::string> comment;
    std::vector<view_column> columns;
    std::vector<trigger> triggers;
    bool has_rules = false;  ///< besides the one that makes it a view
};

/// Reads a view, plain or materialized.
[[nodiscard]] awaitable<view> read_view(pg::connection& conn, std::int64_t oid);

}  // namespace pgeist::catalog
