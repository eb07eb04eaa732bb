#include "binding.hpp"

#include <algorithm>
#include <set>

#include "pgeist/catalog/walkable.hpp"

namespace pgeist::target {

namespace {

std::set<int> columns_of(const catalog::index& each) {
    std::set<int> columns;
    for (const auto& column : catalog::key_columns(each)) {
        columns.insert(column.attnum);
    }
    return columns;
}

/// Whether a foreign key can refer to the index at all.
bool can_be_referenced(const catalog::index& each) {
    const auto columns = columns_of(each);
    return (each.unique || each.exclusion) && each.valid && each.immediate && !each.predicate && columns.count(0) == 0;
}

}  // namespace

bool is_bound(const catalog::table& of, const catalog::index& each) {
    const auto binds = [&](const catalog::foreign_key& key) {
        return key.referenced_index == each.name && (!key.of_primary_key || key.period);
    };
    return std::any_of(of.referenced_by.begin(), of.referenced_by.end(), binds) ||
           std::any_of(of.foreign_keys.begin(), of.foreign_keys.end(),
                       [&](const catalog::foreign_key& key) { return key.self_reference() && binds(key); });
}

bool competes(const catalog::index& other, const catalog::index& bound) {
    return other.name != bound.name && can_be_referenced(other) && columns_of(other) == columns_of(bound);
}

bool must_be_younger(const catalog::table& of, const catalog::index& each) {
    return std::any_of(of.indexes.begin(), of.indexes.end(),
                       [&](const catalog::index& bound) { return is_bound(of, bound) && competes(each, bound); });
}

std::vector<const catalog::index*> in_binding_order(const catalog::table& of) {
    std::vector<const catalog::index*> order;
    for (const auto& each : of.indexes) {
        order.push_back(&each);
    }
    std::stable_partition(order.begin(), order.end(), [&](const auto* each) { return is_bound(of, *each); });
    return order;
}

}  // namespace pgeist::target
