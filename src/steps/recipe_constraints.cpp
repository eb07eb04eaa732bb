// Constraints that existing rows must satisfy: added NOT VALID, and validated while nobody waits.

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "pgeist/core/clipped.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "recipes.hpp"

namespace pgeist::steps {

namespace {

constexpr int not_null_is_constraint = 18;

/// ADD … NOT VALID, then VALIDATE.
recipe validated(const part& of, const std::string& clause, std::string why) {
    recipe made;
    made.how = method::validate;
    made.why = std::move(why);
    action first =
        transaction_of("adding it for new rows", {head_of(of.what) + clause + " NOT VALID"}, locks_of(of.does));
    first.undo = undoing::constraints;
    made.actions.push_back(std::move(first));
    made.actions.push_back(validation_of(of, std::string(made_constraint)));
    return made;
}

}  // namespace

std::optional<recipe> add_check(const part& of, const ddl::clause& each) {
    if (each.made->not_valid || each.made->not_enforced) {
        return std::nullopt;
    }
    return validated(of, each.text, "existing rows are checked while others read and write");
}

std::optional<recipe> add_foreign_key(const part& of, const ddl::clause& each, const facts& known) {
    const std::string table = of.before.name_of(of.what.relation);
    const bool partitioned = of.before.kind_of(table) == probe::relation_kind::partitioned_table;
    if (each.made->not_valid || each.made->not_enforced || (partitioned && known.version.major < 18)) {
        return std::nullopt;
    }
    return validated(of, each.text, "existing rows are looked up while others read and write");
}

std::optional<recipe> add_foreign_key_to_partitions(const part& of, const ddl::clause& each, const std::string& name) {
    const auto tokens = ddl::tokens_of(each.text);
    const std::string table = of.before.name_of(of.what.relation);
    const bool partitioned = of.before.kind_of(table) == probe::relation_kind::partitioned_table;
    const auto foreign =
        std::find_if(tokens.begin(), tokens.end(), [](const ddl::token& one) { return one.is("foreign"); });
    if (!partitioned || each.made->not_valid || each.made->not_enforced || foreign == tokens.end()) {
        return std::nullopt;
    }
    const std::string key = each.text.substr(foreign->begin);
    const std::string constraint = quote_identifier(name);
    recipe made;
    made.how = method::validate;
    made.why = "the rows of each partition are looked up while others read and write";
    for (const std::string& leaf : of.before.tree_of(table, false)) {
        const qualified_name relation = parse_qualified_name(leaf);
        if (of.before.kind_of(leaf) == probe::relation_kind::partitioned_table) {
            continue;
        }
        std::vector<wanted_lock> locks{{relation, probe::lock_mode::share_row_exclusive, probe::relation_kind::table}};
        const qualified_name partner = parse_qualified_name(of.before.name_of(each.made->references));
        locks.push_back({partner, probe::lock_mode::share_row_exclusive, probe::relation_kind::table});
        action first = transaction_of(
            "adding it to " + leaf + " for new rows",
            {fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID", relation.sql(), constraint, key)}, locks);
        first.undo = undoing::constraints;
        made.actions.push_back(std::move(first));
        action second;
        second.kind = action_kind::patient;
        second.label = "validating it in " + leaf;
        second.statements.push_back(fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT {}", relation.sql(), constraint));
        locks.resize(1);
        locks.front().mode = probe::lock_mode::share_update_exclusive;
        second.locks = std::move(locks);
        made.actions.push_back(std::move(second));
    }
    // The server finds those of the partitions, and validates nothing again.
    made.actions.push_back(transaction_of(
        "joining them", {fmt::format("{}ADD CONSTRAINT {} {}", head_of(of.what), constraint, key)}, locks_of(of.does)));
    return made;
}

namespace {

std::string name_of_our_own(const std::string& prefix, const std::string& of) {
    std::string name = prefix + of;
    if (name.size() > longest_identifier) {
        // FNV-1a: another one's name may begin likewise.
        std::uint32_t hash = 2166136261U;
        for (const unsigned char each : of) {
            hash = (hash ^ each) * 16777619U;
        }
        const std::string end = fmt::format("_{:08x}", hash);
        name = std::string(clipped(name, longest_identifier - end.size())) + end;
    }
    return name;
}

/// The clause, with another name of the constraint, in the place of the one that it may have.
std::string renamed(const ddl::clause& added, const std::string& name) {
    const auto tokens = ddl::tokens_of(added.text);
    const auto word =
        std::find_if(tokens.begin(), tokens.end(), [](const ddl::token& one) { return one.is("constraint"); });
    if (!added.made->name.empty() && word != tokens.end() && word + 1 != tokens.end()) {
        const ddl::token& old = *(word + 1);
        return added.text.substr(0, old.begin) + name + added.text.substr(old.end);
    }
    return fmt::format("ADD CONSTRAINT {}{}", name, added.text.substr(tokens.front().end));
}

void lock_besides(action& what, const std::vector<wanted_lock>& more) {
    what.locks.insert(what.locks.end(), more.begin(), more.end());
    probe::effect all;
    for (const wanted_lock& one : what.locks) {
        all.lock(one.relation.sql(), one.mode, one.kind);
    }
    what.locks = locks_of(all);
}

/// `made` makes it under another name: at its end it comes in the place of the one that goes.
void put_in_place(recipe& made, const part& of, const ddl::clause& dropped, const std::string& name) {
    made.actions.push_back(transaction_of(
        "putting it in the place of the old one",
        {head_of(of.what) + dropped.text,
         fmt::format("{}RENAME CONSTRAINT {} TO {}", head_of(of.what), name, quote_identifier(dropped.name))},
        locks_of(of.does)));
}

/// UNIQUE, PRIMARY KEY: one transaction drops the old one, makes the index the new one, and gives it the name.
std::optional<recipe> replace_unique(const part& of, const ddl::clause& dropped, const ddl::clause& added,
                                     const std::string& name, const facts& known) {
    part under_other_name = of;
    under_other_name.what = ddl::understand(head_of(of.what) + renamed(added, name));
    auto made = add_unique(under_other_name, under_other_name.what.clauses.front(), known);
    if (!made) {
        return std::nullopt;
    }
    made->why = "its index is built while others read and write, and the old one holds until then";
    action as_constraint = std::move(made->actions.back());
    made->actions.pop_back();
    put_in_place(*made, of, dropped, name);
    action& last = made->actions.back();
    last.statements.insert(last.statements.begin() + 1, as_constraint.statements.begin(),
                           as_constraint.statements.end());
    lock_besides(last, as_constraint.locks);
    return made;
}

/// Of a partitioned table: those of the partitions get the name, and the table's own finds them.
std::optional<recipe> replace_in_partitions(const part& of, const ddl::clause& dropped, const ddl::clause& added,
                                            const std::string& name) {
    auto made = add_foreign_key_to_partitions(of, added, name);
    if (!made) {
        return std::nullopt;
    }
    action& last = made->actions.back();
    last.label = "putting it in the place of the old one";
    last.statements = {head_of(of.what) + dropped.text};
    std::vector<wanted_lock> partitions;
    for (action& each : made->actions) {
        if (each.undo != undoing::constraints) {
            continue;
        }
        for (wanted_lock& one : each.locks) {
            one.mode = std::min(one.mode, probe::lock_mode::share_row_exclusive);
        }
    }
    for (const std::string& leaf : of.before.tree_of(of.before.name_of(of.what.relation), false)) {
        if (of.before.kind_of(leaf) != probe::relation_kind::partitioned_table) {
            last.statements.push_back(fmt::format("ALTER TABLE {} RENAME CONSTRAINT {} TO {}",
                                                  parse_qualified_name(leaf).sql(), quote_identifier(name),
                                                  quote_identifier(dropped.name)));
            partitions.push_back(
                {parse_qualified_name(leaf), probe::lock_mode::access_exclusive, probe::relation_kind::table});
        }
    }
    last.statements.push_back(head_of(of.what) + added.text);
    lock_besides(last, partitions);
    return made;
}

}  // namespace

std::string helper_name(const std::string& column) { return name_of_our_own("pgeist_not_null_", column); }

std::optional<recipe> replace_constraint(const part& of, const ddl::clause& dropped, const ddl::clause& added,
                                         const facts& known) {
    using kind = ddl::constraint_kind;
    const std::string table = of.before.name_of(of.what.relation);
    const bool partitioned = of.before.kind_of(table) == probe::relation_kind::partitioned_table;
    const bool foreign_key = added.made->kind == kind::foreign_key;
    const std::string name = name_of_our_own("pgeist_new_", dropped.name);
    if (added.made->not_valid || added.made->not_enforced || of.what.only) {
        return std::nullopt;
    }
    if (added.made->kind == kind::unique || added.made->kind == kind::primary_key) {
        // Of a partitioned table the indexes of the partitions would keep a name that is only for a while.
        return partitioned ? std::nullopt : replace_unique(of, dropped, added, quote_identifier(name), known);
    }
    if (foreign_key && partitioned) {
        return replace_in_partitions(of, dropped, added, name);
    }
    recipe made = validated(of, renamed(added, quote_identifier(name)),
                            "existing rows are checked while others read and write, and the old one holds until then");
    if (foreign_key) {
        for (wanted_lock& each : made.actions.front().locks) {
            each.mode = std::min(each.mode, probe::lock_mode::share_row_exclusive);
        }
    }
    put_in_place(made, of, dropped, quote_identifier(name));
    return made;
}

std::vector<action> prove_not_null(const part& of, const std::string& column, const facts& known) {
    const std::string head = head_of(of.what);
    std::string add;
    std::string name;
    if (known.version.major >= not_null_is_constraint) {
        add = fmt::format("{}ADD NOT NULL {} NOT VALID", head, quote_identifier(column));
        name = std::string(made_constraint);
    } else {
        name = quote_identifier(helper_name(column));
        add = fmt::format("{}ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID", head, name, quote_identifier(column));
    }
    action first = transaction_of("requiring a value of new rows", {std::move(add)}, locks_of(of.does));
    for (wanted_lock& each : first.locks) {
        each.mode = std::max(each.mode, probe::lock_mode::access_exclusive);
    }
    first.undo = undoing::constraints;
    std::vector<action> made;
    made.push_back(std::move(first));
    made.push_back(validation_of(of, name));
    return made;
}

std::optional<recipe> set_not_null(const part& of, const ddl::clause& each, const facts& known) {
    recipe made;
    made.how = method::validate;
    made.why = "existing rows are looked at while others read and write";
    made.actions = prove_not_null(of, each.name, known);
    if (known.version.major < not_null_is_constraint) {
        // Two statements: in one the helper would be dropped before it is looked for.
        made.actions.push_back(transaction_of("marking the column",
                                              {of.what.text, fmt::format("{}DROP CONSTRAINT {}", head_of(of.what),
                                                                         quote_identifier(helper_name(each.name)))},
                                              locks_of(of.does)));
    }
    return made;
}

}  // namespace pgeist::steps
