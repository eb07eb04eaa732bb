#include "pgeist/sql/parent.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/sql/table.hpp"
#include "pgeist/sql/trigger.hpp"

namespace pgeist::sql {

namespace {

/// Partitions have taken their identity from the parent since then.
constexpr int first_with_inherited_identity = 17;

void add(statements& into, statements more) {
    for (auto& each : more) {
        into.push_back(std::move(each));
    }
}

/// Its indexes, which each partition has too. USING INDEX is not for partitioned tables.
void add_indexes(statements& into, const catalog::table& parent, const qualified_name& name) {
    const auto has_index = [](const catalog::constraint& each) {
        return each.type == 'p' || each.type == 'u' || each.type == 'x';
    };
    for (const auto& each : parent.constraints) {
        if (has_index(each)) {
            into.push_back({"constraint " + display_identifier(each.name),
                            fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", name.sql(), quote_identifier(each.name),
                                        each.definition)});
        }
    }
    for (const auto& each : parent.indexes) {
        const bool made =
            std::any_of(parent.constraints.begin(), parent.constraints.end(),
                        [&](const auto& constraint) { return has_index(constraint) && constraint.index == each.name; });
        if (!made) {
            into.push_back({"index " + display_identifier(each.name),
                            catalog::retarget(each.definition, parent.printed_name, name.sql())});
        }
    }
}

}  // namespace

statements create_parent(const catalog::table& parent, const catalog::parent& as, const qualified_name& name,
                         int server_major) {
    const bool identity = as.partitioned && server_major >= first_with_inherited_identity;
    statements all;
    all.push_back({"the parent " + parent.name.display(),
                   fmt::format("CREATE TABLE {} (LIKE {} INCLUDING GENERATED{}){}", name.sql(), parent.name.sql(),
                               identity ? " INCLUDING IDENTITY" : "",
                               as.partitioned ? " PARTITION BY " + as.partition_key : std::string())});
    for (const auto& each : parent.constraints) {
        // NOT NULL has come with LIKE.
        if (each.type == 'c') {
            all.push_back({"constraint " + display_identifier(each.name),
                           fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", name.sql(), quote_identifier(each.name),
                                       each.definition)});
        }
    }
    if (as.partitioned) {
        add_indexes(all, parent, name);
        for (const auto& each : parent.triggers) {
            add(all, create_trigger(parent, each, name));
        }
    }
    return all;
}

pg::statement join_parent(const catalog::parent& as, const qualified_name& parent, const qualified_name& child) {
    if (as.partitioned) {
        return {"attach to " + as.name.display(),
                fmt::format("ALTER TABLE {} ATTACH PARTITION {} {}", parent.sql(), child.sql(), as.bound)};
    }
    return {"inherit from " + as.name.display(), fmt::format("ALTER TABLE {} INHERIT {}", child.sql(), parent.sql())};
}

pg::statement leave_parent(const catalog::parent& as, const qualified_name& parent, const qualified_name& child) {
    if (as.partitioned) {
        return {"detach from " + as.name.display(),
                fmt::format("ALTER TABLE {} DETACH PARTITION {}", parent.sql(), child.sql())};
    }
    return {"no longer inherit from " + as.name.display(),
            fmt::format("ALTER TABLE {} NO INHERIT {}", child.sql(), parent.sql())};
}

statements own_share(const catalog::table& of, const qualified_name& target) {
    statements all;
    for (const auto& each : of.constraints) {
        const auto* column = each.columns.empty() ? nullptr : of.find_column(each.columns.front());
        if (of.is_partition && each.type == 'n' && each.local && each.inherited > 0 && column != nullptr) {
            all.push_back({"constraint " + display_identifier(each.name),
                           fmt::format("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", target.sql(),
                                       quote_identifier(column->name))});
        }
    }
    for (const auto& each : of.inherited_triggers) {
        const std::string name = quote_identifier(each.name);
        if (each.enabled != each.parent_enabled) {
            all.push_back({"trigger " + display_identifier(each.name),
                           fmt::format("ALTER TABLE {} {} TRIGGER {}", target.sql(), state_sql(each.enabled), name)});
        }
        if (each.comment) {
            all.push_back(comment_on(fmt::format("TRIGGER {} ON {}", name, target.sql()), *each.comment));
        }
    }
    return all;
}

}  // namespace pgeist::sql
