// CREATE.

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "static_parts.hpp"

namespace pgeist::probe::rules {

namespace {

using enum lock_mode;
using kind = ddl::statement_kind;
using object = ddl::object_kind;

void read_all(const question& asked, effect& into) {
    for (const qualified_name& each : asked.what.reads) {
        into.lock(asked.before.name_of(each), access_share);
    }
}

/// A new table is nobody's, but what it refers to and what it becomes a part of is.
void create_table(const question& asked, effect& into) {
    const ddl::statement& what = asked.what;
    const std::string name = asked.before.name_of(what.relation);
    const known_relation* known = asked.before.find(name);
    if (known != nullptr && known->whole && !what.temporary) {
        into.needless = true;
        return;
    }
    read_all(asked, into);
    const auto refer = [&](const ddl::constraint& each) {
        const bool self = asked.before.name_of(each.references) == name;
        if (each.kind == ddl::constraint_kind::foreign_key && !self) {
            lock_tree(asked, asked.before.name_of(each.references), share_row_exclusive, into);
        }
    };
    std::for_each(what.constraints.begin(), what.constraints.end(), refer);
    for (const ddl::column& each : what.columns) {
        std::for_each(each.constraints.begin(), each.constraints.end(), refer);
    }
    for (const qualified_name& each : what.inherits) {
        into.lock(asked.before.name_of(each), share_update_exclusive);
    }
    if (!what.partition_of.name.empty()) {
        const std::string parent = asked.before.name_of(what.partition_of);
        into.lock(parent, access_exclusive, relation_kind::partitioned_table);
        const known_relation* above = asked.before.find(parent);
        if (above != nullptr && !above->default_partition.empty()) {
            into.lock(above->default_partition, access_exclusive);
            into.scan(above->default_partition);
        } else if (above == nullptr || !above->columns_known) {
            assume(into, fmt::format(
                             "a DEFAULT partition of {}, if there is one, is locked in ACCESS EXCLUSIVE and read, too",
                             parent));
        }
    }
}

void create_index(const question& asked, effect& into) {
    const ddl::statement& what = asked.what;
    const std::string table = asked.before.name_of(what.relation);
    const known_relation* known = asked.before.find(table);
    const bool partitioned = known != nullptr && known->kind == relation_kind::partitioned_table;
    std::vector<std::string> columns;
    for (const ddl::index_column& each : what.made_index->columns) {
        columns.push_back(each.name.empty() ? "expr" : each.name);
    }
    const std::string name = what.made_index->name.empty() ? asked.before.index_name(table, columns, "idx")
                                                           : asked.before.beside(table, what.made_index->name);
    const known_index* there = what.made_index->name.empty() ? nullptr : asked.before.find_index(name);
    if (there != nullptr) {
        into.needless = asked.before.has_index_of(what);
        if (!into.needless && !(what.if_not_exists && there->valid)) {
            fail(into, "42P07",
                 fmt::format("index {} is there already, {}", name,
                             there->valid ? "with another definition" : "and not valid"),
                 there->valid ? "choose another name" : "drop it, or REINDEX INDEX CONCURRENTLY it");
        }
        into.lock(table, what.concurrently ? share_update_exclusive : share);
        return;
    }
    if (what.concurrently && partitioned) {
        fail(into, "0A000", fmt::format("cannot create index on partitioned table {} concurrently", table),
             "build it on each partition CONCURRENTLY, then on the parent with ON ONLY, and attach them");
    }
    if (what.concurrently) {
        into.lock(table, share_update_exclusive);
        into.transaction = transaction_need::own_steps;
        into.build(name);
    } else if (what.only && partitioned) {
        into.lock(table, share, relation_kind::partitioned_table);  // an index without rows, not valid yet
    } else {
        lock_tree(asked, table, share, into);
        for (const std::string& each : with_rows(asked.before, asked.before.tree_of(table, false))) {
            into.build(each == table ? name : asked.before.index_name(each, columns, "idx"));
        }
    }
}

void publication(const question& asked, effect& into) {
    for (const qualified_name& each : asked.what.relations) {
        lock_tree(asked, asked.before.name_of(each), share_update_exclusive, into);
    }
}

}  // namespace

void create(const question& asked, effect& into) {
    const ddl::statement& what = asked.what;
    const std::string relation = asked.before.name_of(what.relation);
    switch (what.kind) {
        case kind::create_table:
            return create_table(asked, into);
        case kind::create_table_as:
            return read_all(asked, into);
        case kind::create_index:
            return create_index(asked, into);
        case kind::create_view:
            read_all(asked, into);
            if (what.or_replace && !asked.before.is_new(relation)) {
                into.lock(relation, access_exclusive, relation_kind::view);
            }
            return;
        case kind::create_trigger:
            if (what.value == "ROW") {  // the partitions get one, too
                return lock_tree(asked, relation, share_row_exclusive, into);
            }
            return into.lock(relation, share_row_exclusive);
        case kind::create_rule:
        case kind::create_policy:
        case kind::alter_policy:
            return into.lock(relation, access_exclusive);
        case kind::create_statistics:
            return into.lock(relation, share_update_exclusive);
        case kind::create_publication:
        case kind::alter_publication:
            return publication(asked, into);
        case kind::alter_sequence:
            return into.lock(relation, share_row_exclusive, relation_kind::sequence);
        default:
            return;
    }
}

}  // namespace pgeist::probe::rules
