// Constraints that are added, and what all of ALTER shares.

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "static_alter.hpp"

namespace pgeist::probe::rules {

namespace {

using enum lock_mode;

void foreign_key(const question& asked, const target& on, const ddl::constraint& made, effect& into) {
    lock_tree(asked, asked.before.name_of(made.references), share_row_exclusive, into);
    const known_relation* known = asked.before.find(on.relation);
    const bool partitioned = known != nullptr && known->kind == relation_kind::partitioned_table;
    if (made.not_valid && partitioned && asked.version.major < 18) {
        fail(into, "42809",
             fmt::format("cannot add NOT VALID foreign key on partitioned table {} referencing relation {}",
                         on.relation, asked.before.name_of(made.references)),
             "add it to each partition as NOT VALID, validate it there, then add it to the parent; or use PostgreSQL "
             "18");
    }
    if (!made.not_valid && !made.not_enforced) {
        on.scan(into, false);
    }
}

void using_index(const question& asked, const target& on, const ddl::constraint& made, effect& into) {
    const std::string name = asked.before.beside(on.relation, made.index);
    const known_index* index = asked.before.find_index(name);
    const known_relation* known = asked.before.find(on.relation);
    if (known != nullptr && known->kind == relation_kind::partitioned_table) {
        fail(into, "0A000",
             fmt::format("ALTER TABLE / ADD CONSTRAINT USING INDEX is not supported on partitioned tables"));
    }
    if (index != nullptr && (!index->unique || index->partial || index->expression || !index->plain)) {
        fail(into, "42809",
             fmt::format(
                 "index {} cannot be the index of a constraint: it must be unique, a btree in the default order, "
                 "without a predicate and without expressions",
                 name));
    }
    into.lock(name, access_exclusive, relation_kind::index);
    if (made.kind == ddl::constraint_kind::primary_key &&
        (index == nullptr || !all_not_null(asked.before, on.relation, index->columns))) {
        on.scan(into);
        assume(
            into,
            fmt::format("the columns of index {} are taken not to be NOT NULL: a primary key then reads {} to prove it",
                        name, on.relation));
    }
}

void unique(const question& asked, const target& on, const ddl::constraint& made, effect& into) {
    if (!made.index.empty()) {
        using_index(asked, on, made, into);
        return;
    }
    on.build(made, into);
    if (made.kind == ddl::constraint_kind::primary_key && !all_not_null(asked.before, on.relation, made.columns)) {
        on.scan(into);
    }
}

}  // namespace

bool all_not_null(const schema& before, const std::string& relation, const std::vector<std::string>& columns) {
    const known_relation* known = before.find(relation);
    return known != nullptr && !columns.empty() &&
           std::all_of(columns.begin(), columns.end(), [&](const std::string& each) {
               const auto found = known->columns.find(each);
               const bool proven =
                   std::any_of(known->constraints.begin(), known->constraints.end(), [&](const known_constraint& one) {
                       const auto& proofs =
                           one.what.value ? one.what.value->proven_not_null : std::vector<std::string>();
                       return one.valid && std::find(proofs.begin(), proofs.end(), each) != proofs.end();
                   });
               return proven || (found != known->columns.end() && found->second.not_null);
           });
}

std::vector<std::string> with_rows(const schema& before, std::vector<std::string> relations) {
    std::erase_if(relations, [&](const std::string& each) {
        const known_relation* known = before.find(each);
        return known != nullptr && known->kind == relation_kind::partitioned_table &&
               (known->whole || !known->partitions.empty());
    });
    return relations;
}

std::vector<std::string> target::leaves(bool heirs) const {
    if (asked.what.only) {
        return with_rows(asked.before, {relation});
    }
    return with_rows(asked.before, asked.before.tree_of(relation, heirs));
}

void target::scan(effect& into, bool heirs) const {
    for (const std::string& each : leaves(heirs)) {
        into.scan(each);
    }
}

void target::rewrite(effect& into) const {
    for (const std::string& each : leaves()) {
        into.rewrite(each);
    }
}

void target::build(const ddl::constraint& made, effect& into) const {
    const bool primary = made.kind == ddl::constraint_kind::primary_key;
    const char* suffix = primary ? "pkey" : made.kind == ddl::constraint_kind::exclusion ? "excl" : "key";
    const auto columns = primary ? std::vector<std::string>() : made.columns;
    for (const std::string& each : leaves(false)) {
        into.build(each == relation && !made.name.empty() ? asked.before.beside(each, made.name)
                                                          : asked.before.index_name(each, columns, suffix));
    }
}

bool is_conversion(const ddl::expression& value, const std::string& column) {
    return !(value.functions.empty() && !value.query && value.columns == std::vector<std::string>{column} &&
             value.plain);
}

void lock_tree(const question& asked, const std::string& relation, lock_mode mode, effect& into, bool heirs) {
    for (const std::string& each : asked.before.tree_of(relation, heirs)) {
        into.lock(each, mode, asked.before.kind_of(each));
    }
}

void lock_views(const question& asked, const std::string& relation, std::string_view why, effect& into) {
    for (const std::string& each : asked.before.views_over(relation)) {
        into.lock(each, access_exclusive, asked.before.kind_of(each));
        into.dependents.push_back({"view", each, false});
        if (!why.empty()) {
            assume(into, fmt::format("view {} is taken to use {}", each, why));
        }
    }
}

void fail(effect& into, std::string sqlstate, std::string message, std::string detail) {
    if (!into.fails) {
        into.fails = failure{std::move(message), std::move(sqlstate), std::move(detail)};
    }
}

void assume(effect& into, std::string what) {
    if (std::find(into.assumptions.begin(), into.assumptions.end(), what) == into.assumptions.end()) {
        into.assumptions.push_back(std::move(what));
    }
}

void add_constraint(const question& asked, const std::string& table, const ddl::constraint& made, effect& into) {
    const target on{asked, table};
    using kind = ddl::constraint_kind;
    if (!made.name.empty() && asked.before.find_constraint(table, made.name) != nullptr) {
        into.needless = true;
        return;
    }
    switch (made.kind) {
        case kind::check:
            if (!made.not_valid && !made.not_enforced) {
                on.scan(into);
            }
            return;
        case kind::not_null:
            if (!made.not_valid && !all_not_null(asked.before, table, made.columns)) {
                on.scan(into);
            }
            return;
        case kind::foreign_key:
            return foreign_key(asked, on, made, into);
        case kind::unique:
        case kind::primary_key:
        case kind::exclusion:
            return unique(asked, on, made, into);
        default:
            return;
    }
}

effect clause_of_other(const target& on, const ddl::clause& each) {
    using object = ddl::object_kind;
    using ddl::clause_kind;
    effect made;
    const object what = on.asked.what.object;
    if (what == object::index) {
        made.lock(on.relation, share_update_exclusive, relation_kind::index);
        if (each.kind == clause_kind::set_tablespace) {
            made.lock(on.relation, access_exclusive, relation_kind::index);
            made.build(on.relation);
        } else if (each.kind == clause_kind::attach_partition) {
            made.lock(on.asked.before.name_of(each.partner), access_exclusive, relation_kind::index);
        } else if (each.kind == clause_kind::set_options || each.kind == clause_kind::reset_options) {
            static const std::vector<std::string> strict{"fastupdate", "gin_pending_list_limit", "pages_per_range",
                                                         "autosummarize", "buffering"};
            for (const std::string& name : each.options) {
                if (std::find(strict.begin(), strict.end(), name) != strict.end()) {
                    made.lock(on.relation, access_exclusive, relation_kind::index);
                }
            }
        }
    } else if (what == object::view || what == object::materialized_view || what == object::sequence) {
        const relation_kind kind = what == object::view       ? relation_kind::view
                                   : what == object::sequence ? relation_kind::sequence
                                                              : relation_kind::materialized_view;
        made.lock(on.relation, access_exclusive, kind);
    } else if (what == object::trigger || what == object::policy || what == object::rule) {
        made.lock(on.relation, access_exclusive);
    }
    return made;
}

}  // namespace pgeist::probe::rules
