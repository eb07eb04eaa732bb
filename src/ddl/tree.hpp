#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "pgeist/core/identifier.hpp"
#include "pgeist/ddl/statement.hpp"

/// Reading libpg_query's JSON: members that have their default value are left out of it.
namespace pgeist::ddl::tree {

namespace json = boost::json;

[[nodiscard]] std::string text(const json::object& node, std::string_view field);
[[nodiscard]] bool flag(const json::object& node, std::string_view field);
[[nodiscard]] std::int64_t number(const json::object& node, std::string_view field, std::int64_t otherwise = 0);
/// The object under `field`; an empty one if there is none.
[[nodiscard]] const json::object& object(const json::object& node, std::string_view field);
/// The items under `field`; none if there are none.
[[nodiscard]] const json::array& list(const json::object& node, std::string_view field);

/// A node's kind and itself: {"Constraint": {…}}. Both empty if it is none.
struct typed {
    std::string_view kind;
    const json::object* node = nullptr;
};
[[nodiscard]] typed node_of(const json::value& value);
[[nodiscard]] typed node_of(const json::object& parent, std::string_view field);

/// The texts of a list of String nodes.
[[nodiscard]] std::vector<std::string> strings(const json::array& list);
/// As above, for a `List` node or an array of it.
[[nodiscard]] std::vector<std::string> strings(const json::value& list);
/// The last parts of a name written in parts.
[[nodiscard]] qualified_name name_of(const std::vector<std::string>& parts);
[[nodiscard]] qualified_name relation(const json::object& range_var);
/// The RangeVars of a list.
[[nodiscard]] std::vector<qualified_name> relations(const json::array& list);

[[nodiscard]] type_name type(const json::object& node);
[[nodiscard]] expression read_expression(const json::value& value);
[[nodiscard]] constraint read_constraint(const json::object& node);
[[nodiscard]] column read_column(const json::object& column_def);

/// Collects what a query or expression has in it, at any depth.
struct contents {
    std::vector<std::string> functions;
    std::vector<std::string> columns;
    std::vector<std::string> literals;
    std::vector<qualified_name> relations;
    std::vector<std::string> common_tables;  ///< names of WITH
    bool query = false;
    bool locks_rows = false;
    std::vector<typed> writers;  ///< the INSERT, UPDATE, DELETE and MERGE of a WITH; as long as the tree lives
};
void collect(const json::value& value, contents& into);
void collect(const json::object& node, contents& into);

}  // namespace pgeist::ddl::tree
