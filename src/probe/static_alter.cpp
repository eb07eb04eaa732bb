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
struct row {
    clause_kind kind;
    lock_mode lock;
    bool rewrites = false;
    bool with_partitions = true;  ///< the partitions are locked and changed, too
};

constexpr bool rewriting = true;
constexpr bool alone = false;

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
    row{clause_kind::add_identity, access_exclusive},
    row{clause_kind::set_identity, access_exclusive},
    row{clause_kind::drop_identity, access_exclusive},
    row{clause_kind::set_statistics, share_update_exclusive},
    row{clause_kind::set_column_options, share_update_exclusive, false, alone},
    row{clause_kind::set_storage, access_exclusive},
    row{clause_kind::set_compression, access_exclusive},
    row{clause_kind::add_constraint, access_exclusive},
    row{clause_kind::alter_constraint, access_exclusive},
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
    row{clause_kind::enable_trigger, share_row_exclusive},
    row{clause_kind::disable_trigger, share_row_exclusive},
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

bool has(const std::vector<std::string>& all, const std::string& one) {
    return std::find(all.begin(), all.end(), one) != all.end();
}

bool fills_rows(const ddl::constraint* value) { return value != nullptr && value->value && !value->value->null; }

void judge_default(const ddl::expression& value, const std::string& relation, const target& on, effect& into) {
    const volatility kind = volatility_of(value);
    if (kind != volatility::changing && kind != volatility::unsure) {
        return;
    }
    on.rewrite(into);
    if (kind == volatility::unsure) {
        assume(into, fmt::format("whether {}() is volatile is not known: every row of {} is written if it is",
                                 doubtful_functions(value).front(), relation));
    }
}

bool is_serial(const ddl::type_name& type) {
    static constexpr std::array names{"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"};
    return type.schema.empty() && std::find(names.begin(), names.end(), type.name) != names.end();
}

/// The server's own types that may stand in a definition; others may be domains.
bool is_builtin(const ddl::type_name& type) {
    static constexpr std::array names{
        "int2",      "int4",   "int8",     "numeric", "float4",    "float8",    "text",        "varchar",  "bpchar",
        "char",      "bool",   "date",     "time",    "timetz",    "timestamp", "timestamptz", "interval", "uuid",
        "json",      "jsonb",  "bytea",    "inet",    "cidr",      "macaddr",   "macaddr8",    "money",    "xml",
        "bit",       "varbit", "tsvector", "tsquery", "point",     "line",      "lseg",        "box",      "path",
        "polygon",   "circle", "oid",      "name",    "int4range", "int8range", "numrange",    "tsrange",  "tstzrange",
        "daterange", "hstore", "citext",   "ltree"};
    return type.schema.empty() && std::find(names.begin(), names.end(), type.name) != names.end();
}

/// A type that rows must be checked against one by one.
bool judge_domain(const target& on, const ddl::type_name& type, effect& into) {
    const known_type* known = on.asked.before.find_type(type);
    if (known != nullptr) {
        return known->what == known_type::kind::domain && known->constrained;
    }
    if (!is_builtin(type) && !is_serial(type)) {
        assume(into,
               fmt::format("{} is taken for a type without a constraint: a domain that has one would rewrite the table",
                           type.display()));
    }
    return false;
}

void judge_new_constraints(const target& on, const ddl::column& added, bool filled, effect& into) {
    for (const ddl::constraint& each : added.constraints) {
        using kind = ddl::constraint_kind;
        if (each.kind == kind::check && !each.not_enforced) {
            on.scan(into);
        } else if (each.kind == kind::foreign_key) {
            lock_tree(on.asked, on.asked.before.name_of(each.references), share_row_exclusive, into);
            if (filled && !each.not_enforced) {  // where all rows are NULL the parser leaves validation out
                on.scan(into);
            }
        } else if (each.kind == kind::unique || each.kind == kind::primary_key) {
            into.build(on.asked.before.beside(
                on.relation, each.name.empty() ? on.made_index({each.columns}, each.kind) : each.name));
        }
    }
}

void add_column(const target& on, const clause& each, effect& into) {
    const ddl::column& added = *each.added;
    const known_relation* known = on.asked.before.find(on.relation);
    if (known != nullptr && known->columns.contains(added.name)) {
        into.needless = true;
        return;
    }
    const ddl::constraint* value = added.find(ddl::constraint_kind::default_value);
    const ddl::constraint* generated = added.find(ddl::constraint_kind::generated);
    const bool numbered = is_serial(added.type) || added.find(ddl::constraint_kind::identity) != nullptr;
    const bool required = added.find(ddl::constraint_kind::not_null) != nullptr ||
                          added.find(ddl::constraint_kind::primary_key) != nullptr;
    if (judge_domain(on, added.type, into) || numbered || (generated != nullptr && generated->stored)) {
        on.rewrite(into);
    } else if (generated != nullptr) {
        if (required) {
            on.scan(into);
        }
    } else if (fills_rows(value)) {
        judge_default(*value->value, on.relation, on, into);
    } else if (required && !on.asked.before.is_empty(on.relation)) {
        fail(into, "23502", fmt::format("column \"{}\" of relation {} contains null values", added.name, on.relation),
             "a table with rows needs a DEFAULT for a new column that is NOT NULL");
    }
    judge_new_constraints(on, added, fills_rows(value) || numbered || generated != nullptr, into);
}

/// Tables that a foreign key ties to the column, on either side.
std::vector<std::string> partners_of(const target& on, const std::string& column) {
    std::vector<std::string> partners;
    for (const auto& [owner, constraint] : on.asked.before.references_to(on.relation)) {
        const auto& columns = constraint->what.referenced_columns;
        if (columns.empty() || has(columns, column)) {
            partners.push_back(owner);
        }
    }
    if (const known_relation* known = on.asked.before.find(on.relation)) {
        for (const known_constraint& each : known->constraints) {
            if (each.what.kind == ddl::constraint_kind::foreign_key && has(each.what.columns, column)) {
                partners.push_back(on.asked.before.name_of(each.what.references));
            }
        }
    }
    return partners;
}

void drop_column(const target& on, const clause& each, effect& into) {
    const known_relation* known = on.asked.before.find(on.relation);
    if (known != nullptr && known->columns_known && !known->columns.contains(each.name)) {
        into.needless = true;
        return;
    }
    for (const auto& [owner, constraint] : on.asked.before.references_to(on.relation)) {
        if (has(constraint->what.referenced_columns, each.name)) {
            into.dependents.push_back({"foreign key", constraint->what.name + " on " + owner, !each.cascade});
            if (!each.cascade) {
                fail(into, "2BP01",
                     fmt::format("cannot drop column \"{}\" of {}: the foreign key {} on {} depends on it", each.name,
                                 on.relation, constraint->what.name, owner),
                     "drop the foreign key first");
            }
        }
    }
    for (const std::string& partner : partners_of(on, each.name)) {
        into.lock(partner, access_exclusive);
    }
}

void hidden_work(const target& on, const clause& each, const type_change& change, effect& into) {
    const known_relation* known = on.asked.before.find(on.relation);
    if (known == nullptr) {
        return;
    }
    for (const known_constraint& one : known->constraints) {
        if (one.what.kind == ddl::constraint_kind::check && one.valid && one.what.value &&
            has(one.what.value->columns, each.name)) {
            on.scan(into);
            into.dependents.push_back({"check", one.what.name + " on " + on.relation, false});
        }
    }
    for (const std::string& name : on.asked.before.indexes_of(on.relation)) {
        const known_index& index = *on.asked.before.find_index(name);
        const bool on_column = has(index.columns, each.name);
        if (change.rewrite || (change.indexes && on_column) || index.partial || index.expression) {
            into.build(name);
            into.dependents.push_back({"index", name, false});
        }
    }
}

void alter_type(const target& on, const clause& each, effect& into) {
    const known_relation* known = on.asked.before.find(on.relation);
    const auto column =
        known == nullptr ? std::map<std::string, known_column>::const_iterator() : known->columns.find(each.name);
    const bool found = known != nullptr && column != known->columns.end();
    type_change change = judge_type_change(found ? column->second.type : std::nullopt, each.added->type,
                                           each.value && is_conversion(*each.value, each.name), on.asked.before);
    if (found && column->second.computed_on_read) {
        change.rewrite = false;
    }
    if (!each.added->collation.empty()) {
        change.indexes = true;
    }
    if (!change.known) {
        assume(
            into,
            fmt::format(
                "the type that column {} of {} has now is not known: it is taken for one that is converted row by row",
                ddl::sql_name(each.name), on.relation));
    }
    if (change.rewrite) {
        on.rewrite(into);
    }
    hidden_work(on, each, change, into);
    for (const std::string& partner : partners_of(on, each.name)) {
        into.lock(partner, access_exclusive);
    }
    into.needless = change.nothing && !into.works();
}

void set_expression(const target& on, const clause& each, effect& into) {
    const known_relation* known = on.asked.before.find(on.relation);
    const bool is_virtual =
        known != nullptr && known->columns.contains(each.name) && known->columns.at(each.name).computed_on_read;
    if (!is_virtual) {
        on.rewrite(into);
        if (known == nullptr || !known->columns.contains(each.name)) {
            assume(into,
                   fmt::format("column {} of {} is taken for a stored one", ddl::sql_name(each.name), on.relation));
        }
    }
}

/// A valid CHECK that proves it, which this same statement does not take away.
const known_constraint* proof_of(const target& on, const std::string& column, bool dropped_too) {
    const known_relation* known = on.asked.before.find(on.relation);
    if (known == nullptr) {
        return nullptr;
    }
    for (const known_constraint& each : known->constraints) {
        const bool proves = each.what.value && has(each.what.value->proven_not_null, column) && each.valid;
        const auto& clauses = on.asked.what.clauses;
        const bool dropped = std::any_of(clauses.begin(), clauses.end(), [&](const clause& other) {
            return other.kind == clause_kind::drop_constraint && other.name == each.what.name;
        });
        if (proves && (!dropped || dropped_too)) {
            return &each;
        }
    }
    return nullptr;
}

void set_not_null(const target& on, const clause& each, effect& into) {
    const known_relation* known = on.asked.before.find(on.relation);
    if (known != nullptr && known->columns.contains(each.name) && known->columns.at(each.name).not_null) {
        into.needless = true;
        return;
    }
    const bool unvalidated =
        known != nullptr && std::any_of(known->constraints.begin(), known->constraints.end(), [&](const auto& one) {
            return one.what.kind == ddl::constraint_kind::not_null && !one.valid && has(one.what.columns, each.name);
        });
    if (unvalidated || proof_of(on, each.name, false) == nullptr) {
        on.scan(into);
    }
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

void attach(const target& on, const clause& each, effect& into) {
    const schema& before = on.asked.before;
    const std::string partition = before.name_of(each.partner);
    into.lock(partition, access_exclusive);
    const known_relation* attached = before.find(partition);
    const known_relation* parent = before.find(on.relation);
    const known_constraint* check = nullptr;
    for (std::size_t at = 0; attached != nullptr && at < attached->constraints.size(); ++at) {
        const known_constraint& one = attached->constraints[at];
        check = one.what.kind == ddl::constraint_kind::check && one.valid ? &one : check;
    }
    if (check == nullptr) {
        into.scan(partition);
    } else {
        assume(into,
               fmt::format("constraint {} is taken to imply the partition's bounds; if it does not, {} is read from "
                           "beginning to end",
                           ddl::sql_name(check->what.name), partition));
    }
    if (parent != nullptr && !parent->default_partition.empty() && !each.default_partition) {
        into.lock(parent->default_partition, access_exclusive);
        into.scan(parent->default_partition);
    } else if (parent == nullptr || !parent->columns_known) {
        assume(into,
               fmt::format("a DEFAULT partition of {}, if there is one, is locked in ACCESS EXCLUSIVE and read, too",
                           on.relation));
    }
    for (std::size_t at = 0; parent != nullptr && at < parent->constraints.size(); ++at) {
        if (parent->constraints[at].what.kind == ddl::constraint_kind::foreign_key) {
            into.lock(before.name_of(parent->constraints[at].what.references), share_row_exclusive);
        }
    }
}

void detach(const target& on, const clause& each, effect& into) {
    const known_relation* parent = on.asked.before.find(on.relation);
    into.lock(on.asked.before.name_of(each.partner), access_exclusive);
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
    for (std::size_t at = 0; parent != nullptr && at < parent->constraints.size(); ++at) {
        if (parent->constraints[at].what.kind == ddl::constraint_kind::foreign_key) {
            into.lock(on.asked.before.name_of(parent->constraints[at].what.references), share_row_exclusive);
        }
    }
}

/// ENFORCED again: the rows that came in meanwhile are looked at under the strong lock.
void alter_constraint(const target& on, const clause& each, effect& into) {
    const known_constraint* known = on.asked.before.find_constraint(on.relation, each.name);
    const bool foreign = known == nullptr || known->what.kind == ddl::constraint_kind::foreign_key;
    if (each.word == "ENFORCED") {
        on.scan(into);
        if (known != nullptr && foreign) {
            into.lock(on.asked.before.name_of(known->what.references), share_row_exclusive);
        }
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
        case clause_kind::inherit:
        case clause_kind::no_inherit:
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
        if (!logs && each.kind == clause_kind::set_tablespace) {
            return;  // the indexes stay where they are
        }
        for (const std::string& index : on.asked.before.indexes_of(on.relation)) {
            into.build(index);
        }
    }
}

effect clause_of_table(const target& on, const clause& each) {
    effect made;
    const row& found = row_of(each.kind);
    lock_mode mode = found.lock;
    const bool weaker_key = each.made && each.made->kind == ddl::constraint_kind::foreign_key;
    mode = each.kind == clause_kind::add_constraint && weaker_key ? share_row_exclusive : mode;
    mode = each.kind == clause_kind::detach_partition && each.concurrently ? share_update_exclusive : mode;
    if (found.with_partitions && !on.asked.what.only) {
        lock_tree(on.asked, on.relation, mode, made);
    } else {
        made.lock(on.relation, mode, on.asked.before.kind_of(on.relation));
    }
    if (each.kind == clause_kind::unknown) {
        made.not_understood = "this clause is not known to pgeist";
    } else if (found.rewrites) {
        rewrite_by_kind(on, each, made);
    }
    special(on, each, made);
    return made;
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
        into.whole.merge(made);
        into.clauses.push_back(std::move(made));
    }
    into.whole.needless = !into.clauses.empty() && std::all_of(into.clauses.begin(), into.clauses.end(),
                                                               [](const effect& each) { return each.needless; });
}

}  // namespace pgeist::probe::rules
