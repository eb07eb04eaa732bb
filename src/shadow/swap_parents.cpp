#include <fmt/format.h>

#include "pgeist/sql/foreign_key.hpp"
#include "pgeist/sql/parent.hpp"
#include "steps.hpp"

namespace pgeist::shadow {

namespace {

// The other partitions of a table: dropping and adding a foreign key that refers to it locks them all.
constexpr const char* partitions_sql = R"(
    SELECT n.nspname, c.relname FROM pg_partition_tree($1) t JOIN pg_class c ON c.oid = t.relid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid NOT IN ($1, $2) AND c.relkind IN ('r', 'p') ORDER BY t.level, n.nspname COLLATE "C", c.relname COLLATE "C")";

void add_once(std::vector<qualified_name>& names, const qualified_name& name) {
    for (const auto& each : names) {
        if (each.schema == name.schema && each.name == name.name) {
            return;
        }
    }
    names.push_back(name);
}

/// A key that refers to the partitioned parent keeps the partition from being detached while rows refer to it. It is
/// taken away and added again, as keys that refer to the table itself are.
awaitable<void> plan_keys_of_ancestors(site& at, plan::blueprint& into) {
    for (const auto& key : at.source.ancestors_referenced_by) {
        const std::string label =
            fmt::format("foreign key {} of {}", display_identifier(key.name), key.table.display());
        const std::string name = quote_identifier(key.name);
        plan::statement drop;
        drop.label = "drop " + label;
        drop.sql = fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", key.table.sql(), name);
        into.before_move.push_back(std::move(drop));
        add_once(into.swap_parents, key.referenced);
        const auto rows = co_await at.conn.query(partitions_sql, key.referenced_oid, at.source.oid);
        for (int row = 0; row < rows.rows(); ++row) {
            const qualified_name partition{rows.text(row, 0), rows.text(row, 1)};
            add_once(into.swap_locks, partition);
        }
        add_once(into.swap_locks, key.table);
    }
}

void add_keys_of_ancestors(const site& at, plan::blueprint& into) {
    for (const auto& key : at.source.ancestors_referenced_by) {
        for (auto& each : add_foreign_key(key, key.table, key.referenced, false)) {
            into.after_move.push_back(std::move(each));
        }
        if (key.validated && key.enforced) {
            into.finish.push_back(
                {fmt::format("validate foreign key {} of {}", display_identifier(key.name), key.table.display()),
                 fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", key.table.sql(), quote_identifier(key.name))});
        }
    }
}

/// Detaching leaves the old table with the parent's keys as its own, which would go on refusing the application's
/// deletes. On the new one they are there, and valid, before it is attached, so that they keep their names.
void plan_inherited_keys(const site& at, plan::blueprint& into) {
    for (const auto& key : at.source.inherited_foreign_keys) {
        into.before_move.push_back(
            {"drop foreign key " + display_identifier(key.name),
             fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", at.source.name.sql(), quote_identifier(key.name))});
        for (auto& each : add_foreign_key(key, at.source.name, key.referenced, key.validated)) {
            into.after_move.push_back(std::move(each));
        }
        add_once(into.swap_locks, key.referenced);
    }
}

}  // namespace

awaitable<void> plan_swap_parents(site& at, const catalog::table& after, plan::blueprint& into) {
    co_await plan_keys_of_ancestors(at, into);
    for (const auto& each : at.source.inherits) {
        add_once(into.swap_parents, each.name);
        into.before_move.push_back(leave_parent(each, each.name, at.source.name));
        if (each.default_oid != 0 && each.default_kind != 'f') {
            add_once(into.swap_locks, each.default_partition);
        }
    }
    plan_inherited_keys(at, into);
    for (const auto& each : at.source.inherits) {
        into.after_move.push_back(join_parent(each, each.name, at.source.name));
    }
    if (at.source.is_heir()) {
        // Only now: a column that no parent has any more would become the table's own.
        for (std::size_t place = 0; place < at.parents.size(); ++place) {
            const auto& standing_in = at.parents[place].name;
            into.after_move.push_back(leave_parent(at.source.inherits[place], standing_in, at.source.name));
            into.after_move.push_back({"the parent's stand-in", "DROP TABLE " + standing_in.sql()});
        }
    }
    for (auto& each : own_share(after, at.source.name)) {
        into.after_move.push_back(std::move(each));
    }
    add_keys_of_ancestors(at, into);
}

}  // namespace pgeist::shadow
