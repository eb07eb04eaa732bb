// DROP and TRUNCATE.

#include <algorithm>

#include <fmt/format.h>

#include "static_parts.hpp"

namespace pgeist::probe::rules {

namespace {

using enum lock_mode;
using kind = ddl::statement_kind;
using object = ddl::object_kind;

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
        for (const std::string& sequence : asked.before.sequences_of(name)) {
            into.lock(sequence, access_exclusive, relation_kind::sequence);
        }
        if (asked.what.cascade) {
            lock_views(asked, name, "", into);
        }
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
        for (const std::string& part : asked.before.parts_of_index(name)) {
            into.lock(asked.before.find_index(part)->table, access_exclusive);
            into.lock(part, access_exclusive, relation_kind::index);
        }
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
    } else if (what == object::trigger) {
        for (const qualified_name& each : asked.what.relations) {
            const std::string table = asked.before.name_of(each);
            lock_tree(asked, table, access_exclusive, into);
            if (asked.before.tree_of(table, false).size() > 1) {
                assume(into, "the trigger is taken for one FOR EACH ROW, which the partitions have, too");
            }
        }
    } else if (what == object::rule || what == object::policy || what == object::foreign_table) {
        lock_all(relation_kind::unknown);
    } else if (what == object::statistics) {
        for (const qualified_name& each : asked.what.relations) {
            const std::string table = asked.before.table_of_statistics(asked.before.name_of(each));
            if (table.empty()) {
                assume(into, fmt::format("the table of statistics {} is not known; it is locked in SHARE UPDATE "
                                         "EXCLUSIVE",
                                         asked.before.name_of(each)));
            } else {
                into.lock(table, share_update_exclusive);
            }
        }
    }
    if (asked.what.cascade) {
        assume(into, "what depends on it is dropped, too, and locked in ACCESS EXCLUSIVE; what that is, is not known");
    }
    if (what == object::schema && asked.what.cascade) {
        assume(into, "every relation of the schema is locked in ACCESS EXCLUSIVE");
    }
}

/// The tables, what lies below them, and with CASCADE whatever refers to one of these.
void truncate(const question& asked, effect& into) {
    const schema& before = asked.before;
    std::vector<std::string> tables;
    const auto take = [&](const std::string& name, bool heirs) {
        for (const std::string& each : before.tree_of(name, heirs)) {
            if (std::find(tables.begin(), tables.end(), each) == tables.end()) {
                tables.push_back(each);
            }
        }
    };
    for (const qualified_name& each : asked.what.relations) {
        take(before.name_of(each), true);
    }
    const std::size_t named = tables.size();
    for (std::size_t at = 0; at < tables.size(); ++at) {
        const std::string name = tables[at];
        for (const auto& [owner, constraint] : before.references_to(name)) {
            const bool together = std::find(tables.begin(), tables.end(), owner) != tables.end();
            if (asked.what.cascade) {
                take(owner, false);
            } else if (!together && at < named) {
                fail(into, "0A000", fmt::format("cannot truncate {}: {} has a foreign key to it", name, owner),
                     "truncate both at the same time");
            }
        }
    }
    for (const std::string& each : tables) {
        into.lock(each, access_exclusive, before.kind_of(each));
        for (const std::string& sequence :
             asked.what.value.empty() ? std::vector<std::string>() : before.sequences_of(each)) {
            into.lock(sequence, access_exclusive, relation_kind::sequence);
        }
    }
    if (asked.what.cascade) {
        assume(into,
               "every table with a foreign key to one of these is locked and emptied, too; which they are, is not "
               "known");
    }
}

}  // namespace

void drop(const question& asked, effect& into) {
    if (asked.what.kind == kind::truncate) {
        truncate(asked, into);
    } else if (asked.what.object == object::table) {
        drop_table(asked, into);
    } else if (asked.what.object == object::index) {
        drop_index(asked, into);
    } else {
        drop_others(asked, into);
    }
}

}  // namespace pgeist::probe::rules
