// What hangs together: partitions, heirs, the indexes of both, views, sequences, domains.

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/probe/schema.hpp"
#include "schema_names.hpp"

namespace pgeist::probe {

namespace {

void note_once(std::vector<std::string>& to, const std::string& one) {
    if (std::find(to.begin(), to.end(), one) == to.end()) {
        to.push_back(one);
    }
}

const char* suffix_of(const known_index& index) {
    if (index.primary) {
        return "pkey";
    }
    return !index.of_constraint ? "idx" : index.unique ? "key" : "excl";
}

}  // namespace

std::vector<std::string> schema::parts_of_index(const std::string& index) const {
    std::vector<std::string> found;
    for (const auto& [name, each] : indexes_) {
        if (each.parent == index) {
            found.push_back(name);
            for (std::string& part : parts_of_index(name)) {
                found.push_back(std::move(part));
            }
        }
    }
    return found;
}

std::vector<std::string> schema::tree_of(const std::string& relation, bool children) const {
    std::vector<std::string> all{relation};
    for (std::size_t at = 0; at < all.size(); ++at) {
        if (const known_relation* known = find(all[at])) {
            for (const std::string& each : known->partitions) {
                note_once(all, each);
            }
            for (const std::string& each : children ? known->children : std::vector<std::string>()) {
                note_once(all, each);
            }
        }
    }
    return all;
}

std::vector<std::string> schema::views_over(const std::string& relation) const {
    std::vector<std::string> all{relation};
    for (std::size_t at = 0; at < all.size(); ++at) {
        for (const auto& [name, each] : relations_) {
            if (std::find(each.reads.begin(), each.reads.end(), all[at]) != each.reads.end()) {
                note_once(all, name);
            }
        }
    }
    all.erase(all.begin());
    return all;
}

std::vector<std::string> schema::sequences_of(const std::string& relation) const {
    std::vector<std::string> all;
    if (const known_relation* known = find(relation)) {
        for (const auto& [name, each] : known->columns) {
            if (!each.sequence.empty()) {
                note_once(all, each.sequence);
            }
        }
    }
    return all;
}

std::vector<std::string> schema::users_of(const std::string& type) const {
    std::vector<std::string> types{type};
    for (std::size_t at = 0; at < types.size(); ++at) {
        for (const auto& [name, each] : types_) {
            if (each.base && name_of(qualified_name{each.base->schema, each.base->name}) == types[at]) {
                note_once(types, name);
            }
        }
    }
    std::vector<std::string> tables;
    for (const auto& [name, table] : relations_) {
        const bool uses = std::any_of(table.columns.begin(), table.columns.end(), [&](const auto& column) {
            const auto& of = column.second.type;
            return of &&
                   std::find(types.begin(), types.end(), name_of(qualified_name{of->schema, of->name})) != types.end();
        });
        if (uses) {
            tables.push_back(name);
        }
    }
    return tables;
}

std::string schema::table_of_statistics(const std::string& name) const {
    const auto found = statistics_.find(name);
    return found == statistics_.end() ? "" : found->second;
}

std::string schema::index_name(const std::string& relation, const std::vector<std::string>& columns,
                               const std::string& suffix) const {
    std::string name;
    for (int pass = 0; pass < 1000; ++pass) {  // as ChooseRelationName() does
        name = beside(relation,
                      ddl::made_name(bare_name(relation), columns, pass == 0 ? suffix : suffix + std::to_string(pass)));
        if (!indexes_.contains(name) && !relations_.contains(name)) {
            break;
        }
    }
    return name;
}

std::string schema::same_index(const std::string& partition, const known_index& like) const {
    for (const std::string& name : indexes_of(partition)) {
        const known_index& each = indexes_.at(name);
        // Expressions are not compared: where there are some, it is taken for another one.
        const bool same = each.columns == like.columns && each.unique == like.unique && !each.partial &&
                          !like.partial && !each.expression && !like.expression && each.plain == like.plain &&
                          each.parent.empty() && (!like.of_constraint || each.of_constraint);
        if (same) {
            return name;
        }
    }
    return "";
}

void schema::add_parts(const std::string& parent, const std::string& partition) {
    for (const std::string& name : indexes_of(parent)) {
        const known_index like = indexes_.at(name);
        if (const std::string there = same_index(partition, like); !there.empty()) {
            indexes_.at(there).parent = name;
            continue;
        }
        known_index made = like;
        made.parent = name;
        made.file = file_;
        const auto columns = like.primary ? std::vector<std::string>() : like.name_parts;
        add_index(partition, index_name(partition, columns, suffix_of(like)), made, false);
    }
}

void schema::add_index(const std::string& relation, const std::string& name, const known_index& made, bool only) {
    known_index own = made;
    own.table = relation;
    indexes_.emplace(name, own);
    const known_relation* known = find(relation);
    if (known == nullptr || only) {
        return;
    }
    for (const std::string& partition : std::vector<std::string>(known->partitions)) {
        known_index part = own;
        part.parent = name;
        const auto columns = own.primary ? std::vector<std::string>() : own.name_parts;
        add_index(partition, index_name(partition, columns, suffix_of(own)), part, false);
    }
}

void schema::inherit_from(const std::string& parent, const std::string& child) {
    const known_relation from = at(parent);
    known_relation& to = at(child);
    for (const auto& [name, column] : from.columns) {
        known_column own = column;
        own.sequence.clear();
        own.identity = false;
        to.columns.emplace(name, own);
    }
    to.columns_known = to.columns_known && from.columns_known;
    for (const known_constraint& each : from.constraints) {
        using kind = ddl::constraint_kind;
        if ((each.what.kind == kind::check || each.what.kind == kind::not_null) && !each.what.no_inherit) {
            to.constraints.push_back(each);
        }
    }
}

}  // namespace pgeist::probe
