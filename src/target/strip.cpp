#include <fmt/format.h>

#include "pgeist/sql/index.hpp"
#include "pgeist/sql/parent.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

awaitable<void> strip(build_context& at, const catalog::table& after) {
    statements all;
    const std::string table = at.shadow.sql();
    const auto drop_constraint = [&](const std::string& name) {
        all.push_back({"constraint " + display_identifier(name),
                       fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", table, quote_identifier(name))});
    };
    std::vector<std::string> others;
    for (const auto& each : at.stand_ins) {
        if (!each.in_group) {
            others.push_back(each.name.sql());
        }
    }
    if (at.source.is_partition) {
        // What it had from the parent is its own from here on, and goes too. A child by INHERIT stays one until the
        // swap: what is not its own would become so.
        const auto& parent = at.parents.front();
        all.push_back(leave_parent(at.source.inherits.front(), parent.name, at.shadow));
        others.push_back(parent.name.sql());
        for (const auto& key : after.inherited_foreign_keys) {
            drop_constraint(key.name);
        }
    }
    for (const auto& key : after.foreign_keys) {
        if (in_group(at, key.referenced_oid) == nullptr) {  // else it has gone by untie_keys()
            drop_constraint(key.name);
        }
    }
    if (!others.empty()) {
        all.push_back({"the tables around it", "DROP TABLE " + join(others, ", ")});
    }
    for (const auto& each : after.triggers) {
        all.push_back({"trigger " + display_identifier(each.name),
                       fmt::format("DROP TRIGGER {} ON {}", quote_identifier(each.name), table)});
    }
    for (const auto& each : after.policies) {
        all.push_back({"policy " + display_identifier(each.name),
                       fmt::format("DROP POLICY {} ON {}", quote_identifier(each.name), table)});
    }
    for (const auto& each : after.rules) {
        all.push_back({"rule " + display_identifier(each.name),
                       fmt::format("DROP RULE {} ON {}", quote_identifier(each.name), table)});
    }
    if (after.row_security || after.force_row_security) {
        all.push_back({"row security",
                       fmt::format("ALTER TABLE {} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY", table)});
    }
    for (const auto& each : after.constraints) {
        if ((each.type == 'c' || each.type == 'n') && !each.validated && each.enforced) {
            drop_constraint(each.name);
        }
    }
    for (const auto& each : after.indexes) {
        all.push_back(drop_index(after, each, at.shadow));
    }
    co_await run_statements(at, std::move(all));
    at.stand_ins.clear();
}

}  // namespace pgeist::target
