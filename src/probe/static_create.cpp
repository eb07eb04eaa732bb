// CREATE, DROP and TRUNCATE.

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
    const auto tokens = ddl::tokens_of(table);
    const std::string bare = tokens.empty() ? table : tokens.back().text;
    const std::string name = asked.before.beside(
        table, what.made_index->name.empty() ? ddl::made_name(bare, columns, "idx") : what.made_index->name);
    if (!what.made_index->name.empty() && asked.before.find_index(name) != nullptr) {
        into.needless = true;
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
        into.build(name);
    }
}

/// The tables of foreign keys of a table that goes.
void drop_references(const question& asked, const std::string& name, effect& into) {
    const auto dropped = [&](const std::string& other) {
        return std::any_of(asked.what.relations.begin(), asked.what.relations.end(),
                           [&](const qualified_name& each) { return asked.before.name_of(each) == other; });
    };
    if (const known_relation* known = asked.before.find(name)) {
        for (const known_constraint& each : known->constraints) {
            if (each.what.kind == ddl::constraint_kind::foreign_key) {
                into.lock(asked.before.name_of(each.what.references), access_exclusive);
            }
        }
    }
    for (const auto& [owner, constraint] : asked.before.references_to(name)) {
        if (owner == name || dropped(owner)) {
            continue;
        }
        into.dependents.push_back({"foreign key", constraint->what.name + " on " + owner, !asked.what.cascade});
        if (asked.what.cascade) {
            into.lock(owner, access_exclusive);
        } else {
            fail(into, "2BP01",
                 fmt::format("cannot drop table {}: the foreign key {} on {} depends on it", name,
                             constraint->what.name, owner),
                 "drop the foreign key first");
        }
    }
}

void drop_table(const question& asked, effect& into) {
    bool needless = true;
    for (const qualified_name& each : asked.what.relations) {
        const std::string name = asked.before.name_of(each);
        if (asked.before.was_dropped(name) && asked.before.find(name) == nullptr) {
            continue;
        }
        needless = false;
        lock_tree(asked, name, access_exclusive, into);
        const known_relation* known = asked.before.find(name);
        if (known != nullptr && !known->parent.empty()) {
            into.lock(known->parent, access_exclusive, relation_kind::partitioned_table);
            const known_relation* parent = asked.before.find(known->parent);
            if (parent != nullptr && !parent->default_partition.empty()) {
                into.lock(parent->default_partition, access_exclusive);  // its bounds are others now
            }
        }
        drop_references(asked, name, into);
        if (known == nullptr || !known->columns_known) {
            assume(into, fmt::format("tables that {} has foreign keys to are locked in ACCESS EXCLUSIVE, too", name));
        }
    }
    into.needless = needless;
}

void drop_index(const question& asked, effect& into) {
    const bool concurrently = asked.what.concurrently;
    into.transaction = concurrently ? transaction_need::own_steps : transaction_need::any;
    for (const qualified_name& each : asked.what.relations) {
        const std::string name = asked.before.name_of(each);
        const known_index* known = asked.before.find_index(name);
        into.lock(name, access_exclusive, relation_kind::index);
        if (known == nullptr) {
            assume(into, fmt::format("the table of index {} is not known; it is locked in {}", name,
                                     concurrently ? "SHARE UPDATE EXCLUSIVE" : "ACCESS EXCLUSIVE, too"));
            continue;
        }
        into.lock(known->table, concurrently ? share_update_exclusive : access_exclusive);
        if (known->of_constraint) {
            fail(into, "2BP01", fmt::format("cannot drop index {}: a constraint of {} requires it", name, known->table),
                 "drop the constraint instead");
        }
    }
    if (concurrently && asked.what.cascade) {
        fail(into, "0A000", "DROP INDEX CONCURRENTLY does not support CASCADE");
    }
    if (concurrently && asked.what.relations.size() > 1) {
        fail(into, "0A000", "DROP INDEX CONCURRENTLY does not support dropping multiple objects",
             "write one statement for each");
    }
}

void drop_others(const question& asked, effect& into) {
    const object what = asked.what.object;
    const auto lock_all = [&](relation_kind of) {
        for (const qualified_name& each : asked.what.relations) {
            into.lock(asked.before.name_of(each), access_exclusive, of);
        }
    };
    if (what == object::view) {
        lock_all(relation_kind::view);
    } else if (what == object::materialized_view) {
        lock_all(relation_kind::materialized_view);
    } else if (what == object::sequence) {
        lock_all(relation_kind::sequence);
    } else if (what == object::trigger || what == object::rule || what == object::policy ||
               what == object::foreign_table) {
        lock_all(relation_kind::unknown);
    }
    if (asked.what.cascade) {
        assume(into, "what depends on it is dropped, too, and locked in ACCESS EXCLUSIVE; what that is, is not known");
    }
    if (what == object::schema && asked.what.cascade) {
        assume(into, "every relation of the schema is locked in ACCESS EXCLUSIVE");
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
            into.lock(relation, share_row_exclusive);
            for (const qualified_name& each : what.relations) {
                into.lock(asked.before.name_of(each), share_row_exclusive);
            }
            return;
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

void drop(const question& asked, effect& into) {
    if (asked.what.kind == kind::truncate) {
        for (const qualified_name& each : asked.what.relations) {
            const std::string name = asked.before.name_of(each);
            lock_tree(asked, name, access_exclusive, into);
            for (const auto& [owner, constraint] : asked.before.references_to(name)) {
                const bool together = std::any_of(
                    asked.what.relations.begin(), asked.what.relations.end(),
                    [&, &owned = owner](const auto& other) { return asked.before.name_of(other) == owned; });
                if (asked.what.cascade) {
                    into.lock(owner, access_exclusive);
                } else if (!together && owner != name) {
                    fail(into, "0A000", fmt::format("cannot truncate {}: {} has a foreign key to it", name, owner),
                         "truncate both at the same time");
                }
            }
        }
        if (asked.what.cascade) {
            assume(into,
                   "every table with a foreign key to one of these is locked and emptied, too; which they are, is not "
                   "known");
        }
        return;
    }
    if (asked.what.object == object::table) {
        drop_table(asked, into);
    } else if (asked.what.object == object::index) {
        drop_index(asked, into);
    } else {
        drop_others(asked, into);
    }
}

}  // namespace pgeist::probe::rules
