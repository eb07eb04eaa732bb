#include "used_indexes.hpp"

#include <algorithm>

#include <boost/json.hpp>

#include "pgeist/core/json_text.hpp"

namespace pgeist::verify {

namespace {

namespace json = boost::json;

std::string text(const json::object& node, const char* name) {
    const auto* value = node.if_contains(name);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

/// `of_table`: whether the node above reads the table; a bitmap's scan of an index does not say whose it is.
void collect(const json::object& node, const qualified_name& table, bool of_table, std::vector<std::string>& into) {
    const std::string relation = text(node, "Relation Name");
    if (!relation.empty()) {
        of_table = relation == table.name && text(node, "Schema") == table.schema;
    }
    const std::string index = text(node, "Index Name");
    if (of_table && !index.empty() && std::find(into.begin(), into.end(), index) == into.end()) {
        into.push_back(index);
    }
    const auto* below = node.if_contains("Plans");
    if (below != nullptr && below->is_array()) {
        for (const auto& each : below->as_array()) {
            if (each.is_object()) {
                collect(each.as_object(), table, of_table, into);
            }
        }
    }
}

}  // namespace

std::vector<std::string> indexes_in_plan(const std::string& explained, const qualified_name& table) {
    std::vector<std::string> found;
    json::error_code problem;
    const json::value parsed = json_from(explained, problem);
    if (problem || !parsed.is_array()) {
        return found;
    }
    for (const auto& each : parsed.as_array()) {
        const auto* plan = each.is_object() ? each.as_object().if_contains("Plan") : nullptr;
        if (plan != nullptr && plan->is_object()) {
            collect(plan->as_object(), table, false, found);
        }
    }
    return found;
}

awaitable<std::vector<std::string>> used_indexes(pg::connection& session, std::string sql, pg::parameters values,
                                                 qualified_name table) {
    const pg::result row =
        co_await session.query_params("EXPLAIN (FORMAT JSON, VERBOSE) " + sql, std::move(values), deadline::never());
    std::vector<std::string> found = indexes_in_plan(row.text(0, 0), table);
    co_return found;
}

}  // namespace pgeist::verify
