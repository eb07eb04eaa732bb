#include "key_choice.hpp"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include "binding.hpp"
#include "pgeist/catalog/walkable.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::target {

namespace {

/// Whether the new table has an index by which rows can be walked back.
bool serves_way_back(const build_context& at, const catalog::table& after, const catalog::index& each) {
    const auto walked = catalog::key_columns(each);
    std::vector<int> mapped;
    for (const auto& column : walked) {
        mapped.push_back(shadow_attnum(at, after, column.attnum));
    }
    const auto* found = choose_shadow_index(after, mapped, walked);
    return found != nullptr && found->immediate;
}

/// Smaller is better: a key that the change leaves alone, one that serves a way back where there is to be one, the
/// primary key, then an index that is checked at once, then the narrowest.
auto rank(const build_context& at, const catalog::table& after, const catalog::index& each) {
    return std::make_tuple(!keeps_key(at, after, each), at.way_back && !serves_way_back(at, after, each), !each.primary,
                           !each.immediate, catalog::key_columns(each).size(), each.bytes, each.name);
}

bool same_equality(const std::vector<catalog::index_column>& a, const std::vector<catalog::index_column>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](const catalog::index_column& x, const catalog::index_column& y) {
                          return x.collation == y.collation && x.operator_family == y.operator_family;
                      });
}

}  // namespace

int shadow_attnum(const build_context& at, const catalog::table& after, int attnum) {
    for (const auto& [shadow, source] : at.source_attnums) {
        if (source == attnum && after.find_column(shadow) != nullptr) {
            return shadow;
        }
    }
    return 0;
}

bool keeps_key(const build_context& at, const catalog::table& after, const catalog::index& each) {
    for (const auto& walked : catalog::key_columns(each)) {
        const int attnum = shadow_attnum(at, after, walked.attnum);
        if (attnum == 0) {
            return false;
        }
        const auto* source = at.source.find_column(walked.attnum);
        const auto* shadow = after.find_column(attnum);
        const auto value = at.values.find(attnum);
        if (value == at.values.end() || !value->second.plain || !same_order(source->type, shadow->type) ||
            source->collation != shadow->collation) {
            return false;
        }
    }
    return true;
}

awaitable<const catalog::index*> choose_walked_index(build_context& at, const catalog::table& after) {
    const auto& wanted = at.change.key_index;
    const catalog::index* best = nullptr;
    std::vector<std::string> reasons;
    for (const auto& each : at.source.indexes) {
        if (wanted && each.name != *wanted) {
            continue;
        }
        std::string reason = catalog::not_walkable_reason(at.source, each);
        if (reason.empty()) {
            reason = co_await catalog::unreliable_reason(at.conn, at.source, each);
        }
        if (!reason.empty()) {
            reasons.push_back(fmt::format("{}: {}", display_identifier(each.name), reason));
        } else if (best == nullptr || rank(at, after, each) < rank(at, after, *best)) {
            best = &each;
        }
    }
    if (best != nullptr) {
        co_return best;
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

const catalog::index* choose_shadow_index(const catalog::table& after, const std::vector<int>& key_columns,
                                          const std::vector<catalog::index_column>& walked) {
    // It is made first, which is what a foreign key bound to it needs, and a parent's index.
    const auto rank_of = [&](const catalog::index& each) {
        return std::make_tuple(is_bound(after, each), !each.parent_index.empty(), each.primary);
    };
    const catalog::index* best = nullptr;
    for (const auto& each : after.indexes) {
        const auto columns = catalog::key_columns(each);
        const bool same = std::equal(columns.begin(), columns.end(), key_columns.begin(), key_columns.end(),
                                     [](const catalog::index_column& a, int b) { return a.attnum == b; });
        if (same && each.unique && each.valid && each.method == "btree" && !each.predicate &&
            same_equality(columns, walked) && (best == nullptr || rank_of(each) > rank_of(*best))) {
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
    // Only where no string can be changed: varchar(n) cuts trailing spaces.
    const auto is_string = [](const std::string& type) {
        return type == "text" || type.rfind("character varying", 0) == 0;
    };
    const bool unlimited = shadow_type == "text" || shadow_type == "character varying";
    return (is_integer(source_type) && is_integer(shadow_type)) || (is_string(source_type) && unlimited);
}

}  // namespace pgeist::target
