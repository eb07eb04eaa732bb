#include "pgeist/catalog/table.hpp"

#include <algorithm>

namespace pgeist::catalog {

namespace {

template <class Items, class Matches>
auto find_in(const Items& items, Matches matches) -> decltype(items.data()) {
    const auto found = std::find_if(items.begin(), items.end(), matches);
    return found == items.end() ? nullptr : &*found;
}

}  // namespace

const column* table::find_column(const std::string& column_name) const {
    return find_in(columns, [&](const column& each) { return each.name == column_name; });
}

const column* table::find_column(int attnum) const {
    return find_in(columns, [&](const column& each) { return each.attnum == attnum; });
}

const index* table::find_index(const std::string& index_name) const {
    return find_in(indexes, [&](const index& each) { return each.name == index_name; });
}

const constraint* table::find_constraint(const std::string& constraint_name) const {
    return find_in(constraints, [&](const constraint& each) { return each.name == constraint_name; });
}

}  // namespace pgeist::catalog
