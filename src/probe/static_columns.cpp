// What is done to one column.

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
    if (has(value.functions, "nextval")) {
        for (const std::string& each : value.literals) {
            into.lock(on.asked.before.name_of(parse_qualified_name(each)), row_exclusive, relation_kind::sequence);
        }
    }
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
                on.scan(into, false);
            }
        } else if (each.kind == kind::unique || each.kind == kind::primary_key) {
            on.build(each, into);
        }
    }
}

}  // namespace

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

namespace {

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

}  // namespace

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
    if (known != nullptr && known->columns.contains(each.name) && !known->columns.at(each.name).sequence.empty()) {
        into.lock(known->columns.at(each.name).sequence, access_exclusive, relation_kind::sequence);
    }
    if (each.cascade) {
        lock_views(on.asked, on.relation, fmt::format("column {}", ddl::sql_name(each.name)), into);
    }
}

namespace {

/// CHECKs that are looked at again, and indexes that are built again although the rows stay. A partitioned table's are
/// always: the server does not compare those of the partitions.
void hidden_work_on(const target& on, const std::string& table, const clause& each, const type_change& change,
                    effect& into) {
    const schema& before = on.asked.before;
    const known_relation& known = *before.find(table);
    for (const known_constraint& one : known.constraints) {
        if (one.what.kind == ddl::constraint_kind::check && one.valid && one.what.value &&
            has(one.what.value->columns, each.name)) {
            into.scan(table);
            into.dependents.push_back({"check", one.what.name + " on " + table, false});
        }
    }
    if (change.rewrite) {
        return;
    }
    for (const std::string& name : before.indexes_of(table)) {
        const known_index& index = *before.find_index(name);
        const bool on_column = has(index.columns, each.name);
        const bool part = !index.parent.empty() && table != on.relation;
        if (((change.indexes || part) && on_column) || index.partial || index.expression) {
            into.build(name);
            into.dependents.push_back({"index", name, false});
        }
    }
}

void hidden_work(const target& on, const clause& each, const type_change& change, effect& into) {
    for (const std::string& table : on.leaves()) {
        if (on.asked.before.find(table) != nullptr) {
            hidden_work_on(on, table, each, change, into);
        }
    }
}

/// Rows that are converted are looked up again by the foreign keys that hold them.
void validate_keys(const target& on, const std::string& column, effect& into) {
    const schema& before = on.asked.before;
    const auto scan = [&](const std::string& table) {
        for (const std::string& each : with_rows(before, before.tree_of(table, false))) {
            into.scan(each);
        }
    };
    for (const auto& [owner, constraint] : before.references_to(on.relation)) {
        const auto& columns = constraint->what.referenced_columns;
        if (constraint->valid && (columns.empty() || has(columns, column))) {
            scan(owner);
        }
    }
    if (const known_relation* known = before.find(on.relation)) {
        for (const known_constraint& each : known->constraints) {
            if (each.what.kind == ddl::constraint_kind::foreign_key && each.valid && has(each.what.columns, column)) {
                scan(on.relation);
            }
        }
    }
}

}  // namespace

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
    if (found && column->second.identity && !change.nothing) {
        into.lock(column->second.sequence, share_row_exclusive, relation_kind::sequence);
    }
    if (change.rewrite) {
        on.rewrite(into);
        validate_keys(on, each.name, into);
    }
    if (change.by_time_zone) {
        assume(into, "the session's TimeZone is taken to be another one than UTC: the rows are converted then");
    }
    hidden_work(on, each, change, into);
    for (const std::string& partner : partners_of(on, each.name)) {
        into.lock(partner, access_exclusive);
    }
    into.needless = change.nothing && !into.works();
}

namespace {}  // namespace

void set_expression(const target& on, const clause& each, effect& into) {
    const known_relation* known = on.asked.before.find(on.relation);
    const bool is_virtual =
        known != nullptr && known->columns.contains(each.name) && known->columns.at(each.name).computed_on_read;
    if (is_virtual) {
        for (const known_constraint& one : known->constraints) {
            const bool check = one.what.kind == ddl::constraint_kind::check;
            if (check && on.asked.version.major < 19) {
                fail(into, "0A000",
                     "SET EXPRESSION is not supported for virtual generated columns of tables with CHECK constraints");
            } else if (check && one.valid && one.what.value && has(one.what.value->columns, each.name)) {
                on.scan(into);
            }
        }
        if (known->columns.at(each.name).not_null) {
            on.scan(into);
        }
    }
    if (!is_virtual) {
        on.rewrite(into);
        if (known == nullptr || !known->columns.contains(each.name)) {
            assume(into,
                   fmt::format("column {} of {} is taken for a stored one", ddl::sql_name(each.name), on.relation));
        }
    }
}

namespace {

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

}  // namespace

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

/// The column's sequence: what it was made as, or else what the server would call it.
void identity(const target& on, const clause& each, effect& into) {
    if (each.kind == clause_kind::add_identity) {
        return;
    }
    const known_relation* known = on.asked.before.find(on.relation);
    const bool found = known != nullptr && known->columns.contains(each.name);
    const std::string made = found ? known->columns.at(each.name).sequence : "";
    const auto tokens = ddl::tokens_of(on.relation);
    const std::string name =
        made.empty() ? on.asked.before.beside(on.relation, ddl::made_name(tokens.back().text, {each.name}, "seq"))
                     : made;
    into.lock(name, each.kind == clause_kind::drop_identity ? access_exclusive : share_row_exclusive,
              relation_kind::sequence);
    if (made.empty()) {
        assume(into, fmt::format("the sequence of column {} of {} is taken to be {}", ddl::sql_name(each.name),
                                 on.relation, name));
    }
}

}  // namespace pgeist::probe::rules
