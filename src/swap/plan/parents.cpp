#include <fmt/format.h>

#include "pgeist/sql/foreign_key.hpp"
#include "pgeist/sql/parent.hpp"
#include "pgeist/swap/plan/steps.hpp"

namespace pgeist::swap {

namespace {

// The other partitions of a table: dropping and adding a foreign key that refers to it locks them all.
constexpr const char* partitions_sql = R"(
    SELECT n.nspname, c.relname FROM pg_partition_tree($1) t JOIN pg_class c ON c.oid = t.relid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid NOT IN ($1, $2) AND c.relkind IN ('r', 'p') ORDER BY t.level, n.nspname COLLATE "C", c.relname COLLATE "C")";

plan::swap_lock lock_of(const qualified_name& table) { return {plan::lock_way::table, table, ""}; }

plan::swap_lock lock_of_parent(const qualified_name& table) { return {plan::lock_way::parent, table, ""}; }

/// A key that refers to the partitioned parent keeps the partition from being detached while rows refer to it. It is
/// taken away and added again, as keys that refer to the table itself are.
awaitable<void> plan_keys_of_ancestors(build_context& at, plan::blueprint& into) {
    for (const auto& key : at.source.ancestors_referenced_by) {
        const std::string label =
            fmt::format("foreign key {} of {}", display_identifier(key.name), key.table.display());
        const std::string name = quote_identifier(key.name);
        plan::statement drop;
        drop.label = "drop " + label;
        drop.sql = fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", key.table.sql(), name);
        std::vector<plan::swap_lock> locks{lock_of_parent(key.referenced), lock_of(key.table)};
        const auto rows = co_await at.conn.query(partitions_sql, key.referenced_oid, at.source.oid);
        for (int row = 0; row < rows.rows(); ++row) {
            const qualified_name partition{rows.text(row, 0), rows.text(row, 1)};
            locks.push_back(lock_of(partition));
        }
        into.swap.add(plan::stage::detach, std::move(drop)).locks = std::move(locks);
    }
}

void add_keys_of_ancestors(const build_context& at, plan::blueprint& into) {
    for (const auto& key : at.source.ancestors_referenced_by) {
        for (auto& each : add_foreign_key(key, key.table, key.referenced, false)) {
            into.swap.add(plan::stage::attach, std::move(each));
        }
        if (key.validated && key.enforced) {
            into.swap.add(
                plan::stage::finish,
                {fmt::format("validate foreign key {} of {}", display_identifier(key.name), key.table.display()),
                 fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", key.table.sql(), quote_identifier(key.name))});
        }
    }
}

/// Detaching leaves the old table with the parent's keys as its own, which would go on refusing the application's
/// deletes. On the new one they are there, and valid, before it is attached, so that they keep their names.
void plan_inherited_keys(const build_context& at, plan::blueprint& into) {
    for (const auto& key : at.source.inherited_foreign_keys) {
        plan::swap_step& drop = into.swap.add(
            plan::stage::detach,
            {"drop foreign key " + display_identifier(key.name),
             fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", at.source.name.sql(), quote_identifier(key.name))});
        drop.locks.push_back(lock_of(key.referenced));
        into.swap.add_all(plan::stage::attach, add_foreign_key(key, at.source.name, key.referenced, key.validated));
    }
}

/// The table that leaves is to come back: its columns go on being inherited ones, of the parents' stand-ins. (What no
/// parent hands down any more is the table's own for ever.)
bool keeps_inheriting(const build_context& at) { return (at.way_back || at.adopted) && at.source.inherits_columns(); }

/// Only when the new table has joined the parents: a column that no parent has any more would become its own.
void leave_stand_ins(const build_context& at, plan::blueprint& into) {
    for (std::size_t place = 0; place < at.parents.size(); ++place) {
        const auto& standing_in = at.parents[place].name;
        into.swap.add(plan::stage::attach, leave_parent(at.source.inherits[place], standing_in, at.source.name));
        if (!keeps_inheriting(at)) {
            into.swap.add(plan::stage::attach, {"the parent's stand-in", "DROP TABLE " + standing_in.sql()});
        }
    }
}

}  // namespace

awaitable<void> plan_swap_parents(build_context& at, const catalog::table& after, plan::blueprint& into) {
    co_await plan_keys_of_ancestors(at, into);
    if (keeps_inheriting(at)) {
        for (std::size_t place = 0; place < at.parents.size(); ++place) {
            into.swap.add(plan::stage::detach,
                          join_parent(at.source.inherits[place], at.parents[place].name, at.source.name));
        }
    }
    for (const auto& each : at.source.inherits) {
        plan::swap_step& leave = into.swap.add(plan::stage::detach, leave_parent(each, each.name, at.source.name));
        leave.locks.push_back(lock_of_parent(each.name));
        if (each.default_oid != 0 && each.default_kind != 'f') {
            leave.locks.push_back(lock_of(each.default_partition));
        }
    }
    plan_inherited_keys(at, into);
    for (const auto& each : at.source.inherits) {
        into.swap.add(plan::stage::attach, join_parent(each, each.name, at.source.name));
    }
    if (at.source.inherits_columns()) {
        leave_stand_ins(at, into);
    }
    into.swap.add_all(plan::stage::attach, own_share(after, at.source.name));
    add_keys_of_ancestors(at, into);
}

}  // namespace pgeist::swap
