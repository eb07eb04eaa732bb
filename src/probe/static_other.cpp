// Maintenance, queries and types.

#include <algorithm>

#include <fmt/format.h>

#include "static_parts.hpp"

namespace pgeist::probe::rules {

namespace {

using enum lock_mode;
using kind = ddl::statement_kind;
using object = ddl::object_kind;

/// Stands for relations that a statement reaches without naming them.
const std::string every_table = "*";

void rewrite_table(const question& asked, const std::string& table, effect& into) {
    into.lock(table, access_exclusive, asked.before.kind_of(table));
    into.rewrite(table);
}

void reindex(const question& asked, effect& into) {
    const bool concurrently = asked.what.concurrently;
    into.transaction = concurrently ? transaction_need::own_steps : transaction_need::any;
    const lock_mode on_table = concurrently ? share_update_exclusive : share;
    const lock_mode on_index = concurrently ? share_update_exclusive : access_exclusive;
    if (asked.what.all_tables) {
        into.transaction = transaction_need::own_steps;
        into.lock(every_table, on_table);
        into.build(every_table);
        return;
    }
    const std::string name = asked.before.name_of(asked.what.relation);
    if (asked.what.object == object::index) {
        const known_index* known = asked.before.find_index(name);
        if (known != nullptr) {
            into.lock(known->table, on_table);
        } else {
            assume(into, fmt::format("the table of index {} is not known; it is locked in {}", name,
                                     concurrently ? "SHARE UPDATE EXCLUSIVE" : "SHARE"));
        }
        into.lock(name, on_index, relation_kind::index);
        into.build(name);
        return;
    }
    into.lock(name, on_table);
    const auto indexes = asked.before.indexes_of(name);
    for (const std::string& index : indexes) {
        into.lock(index, on_index, relation_kind::index);
        into.build(index);
    }
    const known_relation* known = asked.before.find(name);
    if (known == nullptr || !known->columns_known) {
        into.build(name);
        assume(into, fmt::format("the indexes of {} are not all known; each is locked in {} while it is built", name,
                                 concurrently ? "SHARE UPDATE EXCLUSIVE" : "ACCESS EXCLUSIVE"));
    }
}

void vacuum(const question& asked, effect& into) {
    const bool only_analyzes = asked.what.kind == kind::analyze;
    into.transaction = only_analyzes ? transaction_need::any : transaction_need::own_steps;
    std::vector<std::string> tables;
    for (const qualified_name& each : asked.what.relations) {
        tables.push_back(asked.before.name_of(each));
    }
    if (asked.what.all_tables) {
        tables = {every_table};
    }
    for (const std::string& each : tables) {
        if (asked.what.full) {
            rewrite_table(asked, each, into);
        } else {
            into.lock(each, share_update_exclusive);
        }
    }
}

void rewriter(const question& asked, effect& into) {
    const std::string table = asked.what.all_tables ? every_table : asked.before.name_of(asked.what.relation);
    if (asked.what.all_tables) {
        into.transaction = transaction_need::own_steps;
    }
    if (asked.what.kind == kind::repack && asked.what.concurrently) {
        into.lock(table, share_update_exclusive);
        into.rewrite(table);
        into.transaction = transaction_need::own_steps;
        return;
    }
    rewrite_table(asked, table, into);
}

void refresh(const question& asked, effect& into) {
    const std::string name = asked.before.name_of(asked.what.relation);
    into.lock(name, asked.what.concurrently ? exclusive : access_exclusive, relation_kind::materialized_view);
    if (asked.what.with_data) {
        into.rewrite(name);
    }
}

/// Tables with a column of the domain, as far as known.
void lock_users(const question& asked, effect& into) {
    const std::string domain = asked.before.name_of(asked.what.relation);
    if (asked.before.is_new(domain)) {
        return;
    }
    for (const std::string& each : asked.before.users_of(domain)) {
        lock_tree(asked, each, share, into);
        for (const std::string& leaf : with_rows(asked.before, asked.before.tree_of(each, false))) {
            into.scan(leaf);
        }
    }
    if (asked.before.complete()) {
        return;
    }
    // Which other tables use it, only the server knows.
    into.lock(every_table, share);
    into.scan(every_table);
    assume(into, fmt::format("\"*\" stands for every table with a column of domain {}", domain));
}

/// LOCK goes through views to what they read.
void lock_named(const question& asked, const std::string& relation, effect& into) {
    const lock_mode mode = lock_mode_of(asked.what.value).value_or(access_exclusive);
    lock_tree(asked, relation, mode, into, !asked.what.only);
    const known_relation* known = asked.before.find(relation);
    if (known != nullptr && known->kind == relation_kind::view) {
        for (const std::string& each : known->reads) {
            lock_named(asked, each, into);
        }
    }
}

}  // namespace

void maintain(const question& asked, effect& into) {
    switch (asked.what.kind) {
        case kind::reindex:
            return reindex(asked, into);
        case kind::vacuum:
        case kind::analyze:
            return vacuum(asked, into);
        case kind::cluster:
        case kind::repack:
            return rewriter(asked, into);
        case kind::refresh:
            return refresh(asked, into);
        case kind::lock_table:
            for (const qualified_name& each : asked.what.relations) {
                lock_named(asked, asked.before.name_of(each), into);
            }
            return;
        case kind::comment:
            if (!asked.what.relation.name.empty()) {
                using enum ddl::object_kind;
                const object what = asked.what.object;
                const bool on_relation = what == table || what == column || what == view || what == materialized_view ||
                                         what == index || what == sequence || what == foreign_table;
                if (on_relation) {
                    into.lock(asked.before.name_of(asked.what.relation), share_update_exclusive);
                }
            }
            return;
        case kind::grant:
            for (const qualified_name& each : asked.what.relations) {
                if (asked.version.major >= 18) {
                    into.lock(asked.before.name_of(each), access_share);
                }
            }
            return;
        default:
            return;
    }
}

void query(const question& asked, effect& into) {
    const ddl::statement& what = asked.what;
    const lock_mode reading = what.kind == kind::select && what.value == "FOR UPDATE" ? row_share : access_share;
    if (!what.relation.name.empty()) {
        const std::string name = asked.before.name_of(what.relation);
        const bool reads = what.kind == kind::copy && what.value == "TO";
        into.lock(name, reads ? access_share : row_exclusive);
        if ((what.kind == kind::update || what.kind == kind::remove) && !what.filtered) {
            into.scan(name);
        }
    }
    for (const qualified_name& each : what.reads) {
        if (each.schema != "pg_catalog" && each.schema != "information_schema") {
            into.lock(asked.before.name_of(each), reading);
        }
    }
    for (const ddl::statement& each : what.writes) {
        query({each, asked.before, asked.version}, into);
    }
}

void types(const question& asked, effect& into) {
    if (asked.what.kind == kind::add_enum_value || asked.what.kind == kind::rename_enum_value) {
        into.lock(asked.before.name_of(asked.what.relation), exclusive, relation_kind::type);
    } else if (asked.what.kind == kind::alter_composite) {
        into.lock(asked.before.name_of(asked.what.relation), access_exclusive, relation_kind::type);
    }
    if (asked.what.kind != kind::alter_domain) {
        return;
    }
    const std::string& action = asked.what.value;
    const bool later = !asked.what.constraints.empty() && asked.what.constraints.front().not_valid;
    if ((action == "C" && !later) || action == "O" || action == "V") {
        lock_users(asked, into);
    }
}

}  // namespace pgeist::probe::rules
