#include "key_choice.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "pgeist/catalog/walkable.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::shadow {

namespace {

/// What the change does to the key: its columns must survive and follow from the old key alone.
std::string shortcoming_after(const site& at, const catalog::table& after, const catalog::index& each) {
    std::set<std::string> names;
    const auto columns = catalog::key_columns(each);
    for (const auto& column : columns) {
        names.insert(at.source.find_column(column.attnum)->name);
    }
    for (const auto& column : columns) {
        const std::string shown = display_identifier(at.source.find_column(column.attnum)->name);
        const int attnum = shadow_attnum(at, after, column.attnum);
        if (attnum == 0) {
            return fmt::format("column {} is dropped", shown);
        }
        const auto& value = at.values.at(attnum);
        if (!value.expression) {
            return fmt::format("column {} is generated", shown);
        }
        if (!value.compared || !std::includes(names.begin(), names.end(), value.reads.begin(), value.reads.end())) {
            return fmt::format("the new value of column {} does not follow from the key alone", shown);
        }
    }
    return "";
}

/// Smaller is better: the primary key, then an index that is checked at once, then the narrowest.
auto rank(const catalog::index& each) {
    return std::make_tuple(!each.primary, !each.immediate, catalog::key_columns(each).size(), each.bytes, each.name);
}

}  // namespace

int shadow_attnum(const site& at, const catalog::table& after, int attnum) {
    for (const auto& [shadow, source] : at.source_attnums) {
        if (source == attnum && after.find_column(shadow) != nullptr) {
            return shadow;
        }
    }
    return 0;
}

std::string unusable_key_reason(const site& at, const catalog::table& after, const catalog::index& each) {
    const std::string own = catalog::not_walkable_reason(at.source, each);
    return own.empty() ? shortcoming_after(at, after, each) : own;
}

const catalog::index& choose_walked_index(const site& at, const catalog::table& after) {
    const auto& wanted = at.change.key_index;
    const catalog::index* best = nullptr;
    std::vector<std::string> reasons;
    for (const auto& each : at.source.indexes) {
        if (wanted && each.name != *wanted) {
            continue;
        }
        const std::string reason = unusable_key_reason(at, after, each);
        if (!reason.empty()) {
            reasons.push_back(fmt::format("{}: {}", display_identifier(each.name), reason));
        } else if (best == nullptr || rank(each) < rank(*best)) {
            best = &each;
        }
    }
    if (best != nullptr) {
        return *best;
    }
    if (wanted && reasons.empty()) {
        throw error(exit_code::refused,
                    fmt::format("{} has no index {}", at.source.name.display(), display_identifier(*wanted)));
    }
    throw error(exit_code::refused,
                fmt::format("{} has no key to walk{}{}", at.source.name.display(), reasons.empty() ? "" : ": ",
                            join(reasons, "; ")),
                "pgeist needs a primary key, or a unique btree index over NOT NULL columns that the change keeps");
}

const catalog::index* choose_shadow_index(const catalog::table& after, const std::vector<int>& key_columns) {
    const catalog::index* best = nullptr;
    for (const auto& each : after.indexes) {
        const auto columns = catalog::key_columns(each);
        const bool same = std::equal(columns.begin(), columns.end(), key_columns.begin(), key_columns.end(),
                                     [](const catalog::index_column& a, int b) { return a.attnum == b; });
        if (same && each.unique && each.valid && each.method == "btree" && !each.predicate &&
            (best == nullptr || rank(each) < rank(*best))) {
            best = &each;
        }
    }
    return best;
}

bool same_order(const std::string& source_type, const std::string& shadow_type) {
    if (source_type == shadow_type) {
        return true;
    }
    const auto is_integer = [](const std::string& type) {
        return type == "smallint" || type == "integer" || type == "bigint";
    };
    // varchar(n) too: a string that does not fit fails, it is not cut.
    const auto is_string = [](const std::string& type) {
        return type == "text" || type.rfind("character varying", 0) == 0;
    };
    return (is_integer(source_type) && is_integer(shadow_type)) || (is_string(source_type) && is_string(shadow_type));
}

}  // namespace pgeist::shadow
