// Partitions, as they come and go.

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "static_alter.hpp"

namespace pgeist::probe::rules {

namespace {

using ddl::clause;
using ddl::clause_kind;
using enum lock_mode;

/// Reads the rows of a table that is to lie within bounds, or outside of them, unless a CHECK says that it does.
void scan_unless_checked(const target& on, const std::string& table, effect& into) {
    const schema& before = on.asked.before;
    const known_constraint* check = nullptr;
    if (const known_relation* known = before.find(table)) {
        for (const known_constraint& each : known->constraints) {
            check = each.what.kind == ddl::constraint_kind::check && each.valid ? &each : check;
        }
    }
    if (check == nullptr) {
        for (const std::string& each : with_rows(before, before.tree_of(table, false))) {
            into.scan(each);
        }
        return;
    }
    assume(into, fmt::format("constraint {} is taken to imply the partition's bounds; if it does not, {} is read from "
                             "beginning to end",
                             ddl::sql_name(check->what.name), table));
}

/// The parent's indexes are built on a partition that comes without them.
void build_missing(const schema& before, const std::string& parent, const std::string& partition, effect& into) {
    for (const std::string& name : before.indexes_of(parent)) {
        const known_index& like = *before.find_index(name);
        if (before.same_index(partition, like).empty()) {
            const char* suffix = like.primary ? "pkey" : !like.of_constraint ? "idx" : like.unique ? "key" : "excl";
            into.build(
                before.index_name(partition, like.primary ? std::vector<std::string>() : like.name_parts, suffix));
        }
    }
}

void lock_referenced(const target& on, effect& into) {
    if (const known_relation* parent = on.asked.before.find(on.relation)) {
        for (const known_constraint& each : parent->constraints) {
            if (each.what.kind == ddl::constraint_kind::foreign_key) {
                into.lock(on.asked.before.name_of(each.what.references), share_row_exclusive);
            }
        }
    }
}

}  // namespace

void attach(const target& on, const clause& each, effect& into) {
    const schema& before = on.asked.before;
    const std::string partition = before.name_of(each.partner);
    lock_tree(on.asked, partition, access_exclusive, into);
    const known_relation* parent = before.find(on.relation);
    scan_unless_checked(on, partition, into);
    build_missing(before, on.relation, partition, into);
    if (parent != nullptr && !parent->default_partition.empty() && !each.default_partition) {
        lock_tree(on.asked, parent->default_partition, access_exclusive, into);
        scan_unless_checked(on, parent->default_partition, into);
    } else if (parent == nullptr || !parent->columns_known) {
        assume(into,
               fmt::format("a DEFAULT partition of {}, if there is one, is locked in ACCESS EXCLUSIVE and read, too",
                           on.relation));
    }
    lock_referenced(on, into);
}

void detach(const target& on, const clause& each, effect& into) {
    const schema& before = on.asked.before;
    const known_relation* parent = before.find(on.relation);
    into.lock(before.name_of(each.partner), access_exclusive);
    if (each.concurrently) {
        into.transaction = transaction_need::own_steps;
        if (parent != nullptr && !parent->default_partition.empty()) {
            fail(into, "55000",
                 fmt::format("cannot detach partitions concurrently when {} has a default partition", on.relation),
                 "detach it without CONCURRENTLY");
        }
        return;
    }
    if (parent != nullptr && !parent->default_partition.empty()) {
        into.lock(parent->default_partition, access_exclusive);
    }
    lock_referenced(on, into);
    for (const auto& [owner, constraint] : before.references_to(on.relation)) {  // no row may refer to what leaves
        into.lock(owner, access_exclusive);
        into.scan(owner);
    }
}

}  // namespace pgeist::probe::rules
