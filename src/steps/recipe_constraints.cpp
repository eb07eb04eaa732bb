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

/// The clause, with another name of the constraint; nothing where it has none.
std::optional<std::string> renamed(const ddl::clause& added, const std::string& name) {
    const auto tokens = ddl::tokens_of(added.text);
    const auto word =
        std::find_if(tokens.begin(), tokens.end(), [](const ddl::token& one) { return one.is("constraint"); });
    if (word == tokens.end() || word + 1 == tokens.end()) {
        return std::nullopt;
    }
    const ddl::token& old = *(word + 1);
    return added.text.substr(0, old.begin) + name + added.text.substr(old.end);
}

}  // namespace

std::string helper_name(const std::string& column) { return name_of_our_own("pgeist_not_null_", column); }

std::optional<recipe> replace_constraint(const part& of, const ddl::clause& dropped, const ddl::clause& added) {
    const bool foreign_key = added.made->kind == ddl::constraint_kind::foreign_key;
    const std::string table = of.before.name_of(of.what.relation);
    const bool partitioned = of.before.kind_of(table) == probe::relation_kind::partitioned_table;
    const std::string name = quote_identifier(name_of_our_own("pgeist_new_", dropped.name));
    const auto clause = renamed(added, name);
    // Of a partitioned table those of the partitions would keep the name that is only for a while.
    if (added.made->not_valid || added.made->not_enforced || of.what.only || (foreign_key && partitioned) || !clause) {
        return std::nullopt;
    }
    const std::string head = head_of(of.what);
    recipe made = validated(of, *clause,
                            "existing rows are checked while others read and write, and the old one holds until then");
    if (foreign_key) {
        for (wanted_lock& each : made.actions.front().locks) {
            each.mode = std::min(each.mode, probe::lock_mode::share_row_exclusive);
        }
    }
    made.actions.push_back(transaction_of(
        "putting it in the place of the old one",
        {head + dropped.text, fmt::format("{}RENAME CONSTRAINT {} TO {}", head, name, quote_identifier(dropped.name))},
        locks_of(of.does)));
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
