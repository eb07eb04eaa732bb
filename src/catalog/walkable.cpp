#include "pgeist/catalog/walkable.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace pgeist::catalog {

std::vector<index_column> key_columns(const index& each) {
    std::vector<index_column> columns;
    std::copy_if(each.columns.begin(), each.columns.end(), std::back_inserter(columns),
                 [](const index_column& column) { return !column.included; });
    return columns;
}

bool is_never_null(const table& of, int attnum) {
    const auto* found = of.find_column(attnum);
    return found != nullptr && found->not_null &&
           std::none_of(of.constraints.begin(), of.constraints.end(), [&](const constraint& each) {
               return each.type == 'n' && !each.validated && each.columns == std::vector<int>{attnum};
           });
}

std::string not_walkable_reason(const table& of, const index& each) {
    if (!each.unique) {
        return "it is not unique";
    }
    if (!each.valid) {
        return "it is invalid";
    }
    if (each.method != "btree") {
        return "it is not a btree";
    }
    if (each.predicate) {
        return "it is partial";
    }
    for (const auto& column : key_columns(each)) {
        const auto* from = of.find_column(column.attnum);
        if (from == nullptr) {
            return "it has an expression";
        }
        if (!is_never_null(of, column.attnum)) {
            return fmt::format("column {} may be null", display_identifier(from->name));
        }
    }
    return "";
}

}  // namespace pgeist::catalog
