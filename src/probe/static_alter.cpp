// ALTER TABLE, clause by clause.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "static_alter.hpp"

namespace pgeist::probe::rules {

namespace {

using ddl::clause;
using ddl::clause_kind;
using enum lock_mode;

/// The locks of AlterTableGetLockLevel(), the same from 14 to 19, and what is done whatever else is known. Clauses
/// whose lock or work depends on more have their own function below.
/// How far a clause goes down from the table that it names.
enum class reach { alone, partitions, heirs };

struct row {
    clause_kind kind;
    lock_mode lock;
    bool rewrites = false;
    reach how_far = reach::heirs;  ///< these are locked and changed, too
};

constexpr bool rewriting = true;
using enum reach;

constexpr std::array table{
    row{clause_kind::add_column, access_exclusive},
    row{clause_kind::drop_column, access_exclusive},
    row{clause_kind::alter_type, access_exclusive},
    row{clause_kind::set_default, access_exclusive},
    row{clause_kind::drop_default, access_exclusive},
    row{clause_kind::set_not_null, access_exclusive},
    row{clause_kind::drop_not_null, access_exclusive},
    row{clause_kind::set_expression, access_exclusive},
    row{clause_kind::drop_expression, access_exclusive},
    row{clause_kind::add_identity, access_exclusive, false, partitions},
    row{clause_kind::set_identity, access_exclusive, false, partitions},
    row{clause_kind::drop_identity, access_exclusive, false, partitions},
    row{clause_kind::set_statistics, share_update_exclusive},
    row{clause_kind::set_column_options, share_update_exclusive, false, alone},
    row{clause_kind::set_storage, access_exclusive},
    row{clause_kind::set_compression, access_exclusive, false, alone},
    row{clause_kind::add_constraint, access_exclusive},
    row{clause_kind::alter_constraint, access_exclusive, false, partitions},
    row{clause_kind::validate_constraint, share_update_exclusive},
    row{clause_kind::drop_constraint, access_exclusive},
    row{clause_kind::rename_column, access_exclusive},
    row{clause_kind::rename_constraint, access_exclusive},
    row{clause_kind::rename, access_exclusive, false, alone},
    row{clause_kind::set_schema, access_exclusive, false, alone},
    row{clause_kind::change_owner, access_exclusive, false, alone},
    row{clause_kind::cluster_on, share_update_exclusive, false, alone},
    row{clause_kind::set_without_cluster, share_update_exclusive, false, alone},
    row{clause_kind::set_logged, access_exclusive, rewriting, alone},
    row{clause_kind::set_unlogged, access_exclusive, rewriting, alone},
    row{clause_kind::set_access_method, access_exclusive, rewriting, alone},
    row{clause_kind::set_tablespace, access_exclusive, rewriting, alone},
    row{clause_kind::set_options, share_update_exclusive, false, alone},
    row{clause_kind::reset_options, share_update_exclusive, false, alone},
    row{clause_kind::enable_trigger, share_row_exclusive, false, partitions},
    row{clause_kind::disable_trigger, share_row_exclusive, false, partitions},
    row{clause_kind::enable_rule, access_exclusive, false, alone},
    row{clause_kind::row_security, access_exclusive, false, alone},
    row{clause_kind::replica_identity, access_exclusive, false, alone},
    row{clause_kind::inherit, access_exclusive, false, alone},
    row{clause_kind::no_inherit, access_exclusive, false, alone},
    row{clause_kind::of_type, access_exclusive, false, alone},
    row{clause_kind::attach_partition, share_update_exclusive, false, alone},
    row{clause_kind::detach_partition, access_exclusive, false, alone},
    row{clause_kind::detach_finalize, share_update_exclusive, false, alone},
    row{clause_kind::extension_dependency, access_exclusive, false, alone},
};

const row& row_of(clause_kind kind) {
    static constexpr row strictest{clause_kind::unknown, access_exclusive, rewriting};
    const auto found = std::find_if(table.begin(), table.end(), [&](const row& each) { return each.kind == kind; });
    return found == table.end() ? strictest : *found;
}

void validate(const target& on, const clause& each, effect& into) {
    const known_constraint* known = on.asked.before.find_constraint(on.relation, each.name);
    if (known != nullptr && known->valid) {
        into.needless = true;
        return;
    }
    on.scan(into);
    if (known == nullptr) {
        assume(into, fmt::format("constraint {} is not known: if it is a foreign key, the table that it refers to is "
                                 "locked in ROW SHARE",
                                 ddl::sql_name(each.name)));
    } else if (known->what.kind == ddl::constraint_kind::foreign_key) {
        into.lock(on.asked.before.name_of(known->what.references), row_share);
    }
}

void drop_constraint(const target& on, const clause& each, effect& into) {
    const known_relation* relation = on.asked.before.find(on.relation);
    const known_constraint* known = on.asked.before.find_constraint(on.relation, each.name);
    if (known == nullptr) {
        if (relation != nullptr && relation->columns_known) {
            into.needless = true;
        } else {
            assume(into,
                   fmt::format(
                       "constraint {} is not known: if it is a foreign key, the table that it refers to is locked in "
                       "ACCESS EXCLUSIVE, too",
                       ddl::sql_name(each.name)));
        }
        return;
    }
    using kind = ddl::constraint_kind;
    if (known->what.kind == kind::foreign_key) {
        lock_tree(on.asked, on.asked.before.name_of(known->what.references), access_exclusive, into);
    } else if (known->what.kind == kind::primary_key || known->what.kind == kind::unique) {
        into.lock(on.asked.before.beside(on.relation, each.name), access_exclusive, relation_kind::index);
        for (const auto& [owner, constraint] : on.asked.before.references_to(on.relation)) {
            const bool of_key = constraint->what.referenced_columns.empty()
                                    ? known->what.kind == kind::primary_key
                                    : constraint->what.referenced_columns == known->what.columns;
            if (of_key && !each.cascade) {
                fail(into, "2BP01",
                     fmt::format("cannot drop constraint {}: the foreign key {} on {} depends on it", each.name,
                                 constraint->what.name, owner),
                     "drop the foreign key first");
            } else if (of_key) {
                into.lock(owner, access_exclusive);
            }
        }
    }
}

/// ENFORCED again: the rows that came in meanwhile are looked at under the strong lock.
void alter_constraint(const target& on, const clause& each, effect& into) {
    const known_constraint* known = on.asked.before.find_constraint(on.relation, each.name);
    const bool foreign = known == nullptr || known->what.kind == ddl::constraint_kind::foreign_key;
    if (each.word == "ENFORCED") {
        on.scan(into);
    }
    if (known != nullptr && foreign && (each.word == "ENFORCED" || each.word == "NOT ENFORCED")) {
        lock_tree(on.asked, on.asked.before.name_of(known->what.references),
                  each.word == "ENFORCED" ? share_row_exclusive : access_exclusive, into);
    }
    if ((each.word == "ENFORCED" || each.word == "NOT ENFORCED") && !foreign && on.asked.version.major < 19) {
        fail(into, "42809",
             fmt::format("cannot alter enforceability of constraint \"{}\" of relation {}", each.name, on.relation));
    }
}

void options(const target& on, const clause& each, effect& into) {
    static constexpr std::array strict{"user_catalog_table", "fastupdate",       "gin_pending_list_limit",
                                       "pages_per_range",    "autosummarize",    "buffering",
                                       "security_barrier",   "security_invoker", "check_option"};
    for (const std::string& name : each.options) {
        if (std::find(strict.begin(), strict.end(), name) != strict.end()) {
            into.lock(on.relation, access_exclusive);
        }
    }
}

void rename_or_move(const target& on, const clause& each, effect& into) {
    if (each.kind == clause_kind::set_schema || each.kind == clause_kind::rename) {
        const std::string taken =
            each.kind == clause_kind::rename
                ? on.asked.before.beside(on.relation, each.new_name)
                : on.asked.before.name_of(qualified_name{each.new_name, on.asked.what.relation.name});
        into.needless = on.asked.before.was_dropped(on.relation) && on.asked.before.find(taken) != nullptr;
    }
}

void special(const target& on, const clause& each, effect& into) {
    switch (each.kind) {
        case clause_kind::add_column:
            return each.added ? add_column(on, each, into) : on.rewrite(into);
        case clause_kind::drop_column:
            return drop_column(on, each, into);
        case clause_kind::alter_type:
            return each.added ? alter_type(on, each, into) : on.rewrite(into);
        case clause_kind::set_expression:
            return set_expression(on, each, into);
        case clause_kind::set_not_null:
            return set_not_null(on, each, into);
        case clause_kind::add_constraint:
            return each.made ? add_constraint(on.asked, on.relation, *each.made, into) : on.scan(into);
        case clause_kind::validate_constraint:
            return validate(on, each, into);
        case clause_kind::drop_constraint:
            return drop_constraint(on, each, into);
        case clause_kind::alter_constraint:
            return alter_constraint(on, each, into);
        case clause_kind::attach_partition:
            return attach(on, each, into);
        case clause_kind::detach_partition:
            return detach(on, each, into);
        case clause_kind::add_identity:
        case clause_kind::set_identity:
        case clause_kind::drop_identity:
            return identity(on, each, into);
        case clause_kind::inherit:
            return into.lock(on.asked.before.name_of(each.partner), share_update_exclusive);
        case clause_kind::set_options:
        case clause_kind::reset_options:
            return options(on, each, into);
        case clause_kind::rename:
        case clause_kind::set_schema:
            return rename_or_move(on, each, into);
        default:
            return;
    }
}

/// A partitioned table has no rows of its own.
void rewrite_by_kind(const target& on, const clause& each, effect& into) {
    const known_relation* known = on.asked.before.find(on.relation);
    const bool partitioned = known != nullptr && known->kind == relation_kind::partitioned_table;
    const bool logs = each.kind == clause_kind::set_logged || each.kind == clause_kind::set_unlogged;
    if (partitioned && logs && on.asked.version.major >= 18) {
        fail(into, "42809",
             fmt::format("ALTER action {} cannot be performed on partitioned table {}",
                         each.kind == clause_kind::set_logged ? "SET LOGGED" : "SET UNLOGGED", on.relation));
    } else if (!partitioned) {
        into.rewrite(on.relation);
        if (each.kind == clause_kind::set_tablespace) {
            assume(into, fmt::format("{} is taken to be in another tablespace now", on.relation));
        } else if (each.kind == clause_kind::set_access_method) {
            assume(into, fmt::format("{} is taken to have another access method now", on.relation));
        }
    }
}

reach reach_of(ddl::constraint_kind kind) {
    return kind == ddl::constraint_kind::check || kind == ddl::constraint_kind::not_null ? heirs : partitions;
}

/// The lock on partitions, where it is not that of the whole: until 17 they are only given an index.
lock_mode below(const target& on, const clause& each, lock_mode mode) {
    const bool unique = each.made && each.made->index.empty() &&
                        (each.made->kind == ddl::constraint_kind::unique ||
                         (each.made->kind == ddl::constraint_kind::primary_key &&
                          all_not_null(on.asked.before, on.relation, each.made->columns)));
    return unique && on.asked.version.major < 18 ? share : mode;
}

effect clause_of_table(const target& on, const clause& each) {
    effect made;
    const row& found = row_of(each.kind);
    lock_mode mode = found.lock;
    const bool weaker_key = each.made && each.made->kind == ddl::constraint_kind::foreign_key;
    mode = each.kind == clause_kind::add_constraint && weaker_key ? share_row_exclusive : mode;
    mode = each.kind == clause_kind::detach_partition && each.concurrently ? share_update_exclusive : mode;
    made.lock(on.relation, mode, on.asked.before.kind_of(on.relation));
    // From 18 on any new constraint locks what inherits from the table, too.
    const bool heirless = each.kind == clause_kind::add_constraint && each.made && on.asked.version.major < 18;
    const reach how_far = heirless ? reach_of(each.made->kind) : found.how_far;
    if (how_far != alone && !on.asked.what.only) {
        lock_tree(on.asked, on.relation, below(on, each, mode), made, how_far == heirs);
    }
    if (on.asked.what.if_exists && on.asked.before.find(on.relation) == nullptr) {
        assume(made, fmt::format("{} is taken to exist", on.relation));
    }
    if (each.kind == clause_kind::unknown) {
        made.not_understood = "this clause is not known to pgeist";
    } else if (found.rewrites) {
        rewrite_by_kind(on, each, made);
    }
    special(on, each, made);
    return made;
}

/// A table that is written anew gets its indexes with it.
void leave_out_rebuilt(const schema& before, effect& of) {
    std::erase_if(of.builds, [&](const std::string& each) {
        const known_index* known = before.find_index(each);
        return known == nullptr ? !of.rewrites.empty()
                                : std::find(of.rewrites.begin(), of.rewrites.end(), known->table) != of.rewrites.end();
    });
}

}  // namespace

void alter(const question& asked, static_answer& into) {
    using kind = ddl::object_kind;
    const target on{asked, asked.before.name_of(asked.what.relation)};
    for (const clause& each : asked.what.clauses) {
        effect made;
        if (asked.what.object == kind::table || asked.what.object == kind::foreign_table) {
            made = clause_of_table(on, each);
        } else {
            made = clause_of_other(on, each);
        }
        leave_out_rebuilt(asked.before, made);
        into.whole.merge(made);
        into.clauses.push_back(std::move(made));
    }
    leave_out_rebuilt(asked.before, into.whole);
    into.whole.needless = !into.clauses.empty() && std::all_of(into.clauses.begin(), into.clauses.end(),
                                                               [](const effect& each) { return each.needless; });
}

}  // namespace pgeist::probe::rules
