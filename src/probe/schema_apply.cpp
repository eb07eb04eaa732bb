// What statements leave behind.

#include <algorithm>

#include "pgeist/ddl/index_definition.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/probe/schema.hpp"
#include "schema_names.hpp"

namespace pgeist::probe {

void schema::add_constraint(const std::string& relation, ddl::constraint what, bool only) {
    using kind = ddl::constraint_kind;
    // A name that is qualified now means the same when the search path is another one.
    if (what.kind == kind::foreign_key && what.references.schema.empty()) {
        what.references.schema = space_of(name_of(what.references));
    }
    if (what.name.empty()) {
        what.name = ddl::made_name(bare_name(relation), what);
    }
    known_relation& table = at(relation);
    if (what.kind == kind::primary_key) {
        for (const std::string& each : what.columns) {
            table.columns[each].not_null = true;
        }
    }
    if (what.kind == kind::not_null && !what.columns.empty() && !what.not_valid) {
        table.columns[what.columns.front()].not_null = true;
    }
    if (what.kind == kind::unique || what.kind == kind::primary_key || what.kind == kind::exclusion) {
        known_index made;
        if (!what.index.empty()) {  // the index takes the constraint's name
            const std::string old = beside(relation, what.index);
            if (const known_index* known = find_index(old)) {
                made = *known;
                what.columns = made.columns;
                indexes_.erase(old);
            }
            what.name = what.name.empty() ? what.index : what.name;
        }
        made.columns = what.columns;
        made.name_parts = what.columns;
        made.unique = what.kind != kind::exclusion;
        made.primary = what.kind == kind::primary_key;
        made.of_constraint = true;
        made.file = file_;
        add_index(relation, beside(relation, what.name), made, only);
    }
    known_constraint made{what, !what.not_valid && !what.not_enforced};
    table.constraints.push_back(std::move(made));
}

void schema::add_column(const std::string& relation, const ddl::column& what) {
    known_column made;
    made.type = what.type;
    made.not_null = what.find(ddl::constraint_kind::not_null) != nullptr;
    const ddl::constraint* generated = what.find(ddl::constraint_kind::generated);
    made.generated = generated != nullptr;
    made.computed_on_read = generated != nullptr && !generated->stored;
    static const std::pair<std::string_view, std::string_view> serials[] = {
        {"serial", "int4"},  {"serial4", "int4"},     {"bigserial", "int8"},
        {"serial8", "int8"}, {"smallserial", "int2"}, {"serial2", "int2"}};
    for (const auto& [name, type] : serials) {
        if (what.type.schema.empty() && what.type.name == name) {
            made.type->name = type;
            made.not_null = true;
            made.sequence = index_name(relation, {what.name}, "seq");
        }
    }
    if (what.find(ddl::constraint_kind::identity) != nullptr) {
        made.not_null = true;
        made.identity = true;
        made.sequence = index_name(relation, {what.name}, "seq");
    }
    at(relation).columns[what.name] = made;
    for (const ddl::constraint& each : what.constraints) {
        using kind = ddl::constraint_kind;
        if (each.kind == kind::check || each.kind == kind::unique || each.kind == kind::primary_key ||
            each.kind == kind::foreign_key) {
            add_constraint(relation, each);
        }
    }
}

void schema::apply_create_table(const ddl::statement& what) {
    const std::string name = own_name(what.relation, what.temporary);
    if (relations_.contains(name) && relations_[name].whole) {
        return;  // it is there: IF NOT EXISTS, or it fails
    }
    known_relation made;
    made.kind = what.partitioned ? relation_kind::partitioned_table : relation_kind::table;
    const bool query = what.kind == ddl::statement_kind::create_table_as;
    made.kind = what.object == ddl::object_kind::materialized_view ? relation_kind::materialized_view : made.kind;
    made.whole = true;
    made.columns_known = !query && what.reads.empty();
    made.filled = query && what.with_data;
    for (const qualified_name& each : query ? what.reads : std::vector<qualified_name>()) {
        made.reads.push_back(name_of(each));
    }
    made.file = file_;
    made.temporary = what.temporary;
    relations_[name] = made;
    dropped_.erase(name);
    for (const qualified_name& each : what.inherits) {
        const std::string parent = name_of(each);
        at(name).inherits.push_back(parent);
        at(parent).children.push_back(name);
        inherit_from(parent, name);
    }
    const std::string parent = what.partition_of.name.empty() ? "" : name_of(what.partition_of);
    if (!parent.empty()) {
        inherit_from(parent, name);
    }
    for (const ddl::column& each : what.columns) {
        add_column(name, each);
    }
    for (const ddl::constraint& each : what.constraints) {
        add_constraint(name, each);
    }
    if (!parent.empty()) {
        at(name).parent = parent;
        at(parent).kind = relation_kind::partitioned_table;
        at(parent).partitions.push_back(name);
        if (what.default_partition) {
            at(parent).default_partition = name;
        }
        add_parts(parent, name);
    }
}

void schema::apply_create_index(const ddl::statement& what) {
    const std::string table = name_of(what.relation);
    known_index made;
    made.unique = what.made_index->unique;
    made.partial = what.made_index->predicate.has_value();
    made.plain = what.made_index->method == "btree";
    made.file = file_;
    made.definition = ddl::comparable_index_definition(what.text).value_or("");
    for (const ddl::index_column& each : what.made_index->columns) {
        made.expression = made.expression || each.name.empty();
        made.plain = made.plain && each.plain;
        made.name_parts.push_back(each.name.empty() ? "expr" : each.name);
        if (!each.name.empty()) {
            made.columns.push_back(each.name);
        }
    }
    const std::string name = what.made_index->name.empty() ? index_name(table, made.name_parts, "idx")
                                                           : beside(table, what.made_index->name);
    add_index(table, name, made, what.only);
}

void schema::forget(const std::string& relation) {
    const auto known = relations_.find(relation);
    if (known != relations_.end() && !known->second.parent.empty()) {
        known_relation& parent = at(known->second.parent);
        std::erase(parent.partitions, relation);
        parent.default_partition = parent.default_partition == relation ? "" : parent.default_partition;
    }
    if (known != relations_.end()) {
        for (const std::string& each : known->second.inherits) {
            std::erase(at(each).children, relation);
        }
        for (const std::string& each : sequences_of(relation)) {
            relations_.erase(each);
        }
    }
    relations_.erase(relation);
    for (const std::string& each : indexes_of(relation)) {
        indexes_.erase(each);
    }
}

void schema::apply_drop(const ddl::statement& what) {
    using kind = ddl::object_kind;
    for (const qualified_name& each : what.relations) {
        const std::string name = name_of(each);
        if (what.object == kind::index) {
            for (const std::string& part : parts_of_index(name)) {
                indexes_.erase(part);
            }
            indexes_.erase(name);
        } else if (what.object == kind::statistics) {
            statistics_.erase(name);
        } else if (what.object == kind::table || what.object == kind::view || what.object == kind::materialized_view) {
            if (what.object == kind::table) {
                dropped_.insert(name);
            }
            for (const auto& [owner, constraint] : references_to(name)) {
                drop_constraint(owner, constraint->what.name);
            }
            forget(name);
        } else if (what.object == kind::type || what.object == kind::domain) {
            types_.erase(name);
        } else if (what.object == kind::schema) {
            std::erase_if(relations_, [&](const auto& entry) { return space_of(entry.first) == each.name; });
            std::erase_if(indexes_, [&](const auto& entry) { return space_of(entry.first) == each.name; });
        }
    }
}

void schema::drop_constraint(const std::string& relation, const std::string& name) {
    known_relation& table = at(relation);
    const auto found = std::find_if(table.constraints.begin(), table.constraints.end(),
                                    [&](const known_constraint& each) { return each.what.name == name; });
    if (found == table.constraints.end()) {
        return;
    }
    using kind = ddl::constraint_kind;
    if (found->what.kind == kind::unique || found->what.kind == kind::primary_key ||
        found->what.kind == kind::exclusion) {
        const std::string index = beside(relation, name);
        for (const std::string& part : parts_of_index(index)) {
            indexes_.erase(part);
        }
        indexes_.erase(index);
    }
    table.constraints.erase(found);
}

void schema::rename(const std::string& from, const std::string& to) {
    if (const auto node = relations_.extract(from); !node.empty()) {
        auto moved = relations_.extract(to);  // what had the name before is gone
        relations_[to] = node.mapped();
    }
    if (const auto node = indexes_.extract(from); !node.empty()) {
        indexes_[to] = node.mapped();
    }
    if (const auto node = types_.extract(from); !node.empty()) {
        types_[to] = node.mapped();
    }
    for (auto& [name, index] : indexes_) {
        index.table = index.table == from ? to : index.table;
        index.parent = index.parent == from ? to : index.parent;
    }
    const auto tokens = ddl::tokens_of(to);
    for (auto& [name, table] : relations_) {
        table.parent = table.parent == from ? to : table.parent;
        table.default_partition = table.default_partition == from ? to : table.default_partition;
        for (auto* names : {&table.partitions, &table.children, &table.inherits, &table.reads}) {
            std::replace(names->begin(), names->end(), from, to);
        }
        for (auto& [column, known] : table.columns) {
            known.sequence = known.sequence == from ? to : known.sequence;
        }
        for (known_constraint& each : table.constraints) {
            if (each.what.kind == ddl::constraint_kind::foreign_key && name_of(each.what.references) == from &&
                tokens.size() == 3) {
                each.what.references = qualified_name{tokens[0].text, tokens[2].text};
            }
        }
    }
    dropped_.erase(to);
}

void schema::forget_column(const std::string& relation, const std::string& column) {
    const auto has_it = [&](const std::vector<std::string>& columns) {
        return std::find(columns.begin(), columns.end(), column) != columns.end();
    };
    known_relation& table = at(relation);
    table.columns.erase(column);
    std::erase_if(table.constraints, [&](const known_constraint& one) {
        return has_it(one.what.columns) || (one.what.value && has_it(one.what.value->columns));
    });
    std::erase_if(indexes_,
                  [&](const auto& entry) { return entry.second.table == relation && has_it(entry.second.columns); });
}

void schema::apply_to_constraints(const std::string& relation, const ddl::statement& what, const ddl::clause& each) {
    using kind = ddl::clause_kind;
    known_relation& table = at(relation);
    if (each.kind == kind::add_constraint && each.made) {
        add_constraint(relation, *each.made, what.only);
    } else if (each.kind == kind::drop_constraint) {
        drop_constraint(relation, each.name);
    } else if (each.kind == kind::validate_constraint) {
        for (known_constraint& one : table.constraints) {
            one.valid = one.valid || one.what.name == each.name;
            if (one.what.name == each.name && one.what.kind == ddl::constraint_kind::not_null &&
                !one.what.columns.empty()) {
                table.columns[one.what.columns.front()].not_null = true;
            }
        }
    }
}

void schema::apply_to_columns(const std::string& relation, const ddl::clause& each) {
    using kind = ddl::clause_kind;
    known_relation& table = at(relation);
    if (each.kind == kind::add_column && each.added && !table.columns.contains(each.name)) {
        add_column(relation, *each.added);
    } else if (each.kind == kind::drop_column) {
        forget_column(relation, each.name);
    } else if (each.kind == kind::alter_type && each.added) {
        table.columns[each.name].type = each.added->type;
    } else if (each.kind == kind::set_not_null) {
        table.columns[each.name].not_null = true;
    } else if (each.kind == kind::drop_not_null) {
        table.columns[each.name].not_null = false;
    } else if (each.kind == kind::rename_column) {
        if (auto node = table.columns.extract(each.name); !node.empty()) {
            table.columns[each.new_name] = node.mapped();
        }
    }
}

void schema::apply_clause(const std::string& relation, const ddl::statement& what, const ddl::clause& each) {
    using kind = ddl::clause_kind;
    if (each.kind == kind::rename && what.object != ddl::object_kind::other) {
        rename(relation, beside(relation, each.new_name));
        return;
    }
    if (each.kind == kind::set_schema) {
        rename(relation, written(each.new_name, bare_name(relation)));
        return;
    }
    if (what.object == ddl::object_kind::index && each.kind == kind::attach_partition) {
        const auto part = indexes_.find(name_of(each.partner));
        if (part != indexes_.end()) {
            part->second.parent = relation;
        }
    }
    if (what.object == ddl::object_kind::table) {
        apply_to_columns(relation, each);
        apply_to_constraints(relation, what, each);
        apply_identity(relation, each);
        apply_partition(relation, each);
    }
}

void schema::apply_identity(const std::string& relation, const ddl::clause& each) {
    using kind = ddl::clause_kind;
    known_relation& table = at(relation);
    if (each.kind == kind::add_identity) {
        table.columns[each.name].identity = true;
        table.columns[each.name].sequence = index_name(relation, {each.name}, "seq");
    } else if (each.kind == kind::drop_identity) {
        table.columns[each.name].identity = false;
        table.columns[each.name].sequence.clear();
    }
}

void schema::apply_partition(const std::string& relation, const ddl::clause& each) {
    using kind = ddl::clause_kind;
    const std::string other = each.partner.name.empty() ? "" : name_of(each.partner);
    if (each.kind == kind::attach_partition) {
        known_relation& table = at(relation);
        table.kind = relation_kind::partitioned_table;
        table.partitions.push_back(other);
        if (each.default_partition) {
            table.default_partition = other;
        }
        at(other).parent = relation;
        add_parts(relation, other);
    } else if (each.kind == kind::detach_partition) {
        known_relation& table = at(relation);
        std::erase(table.partitions, other);
        table.default_partition = table.default_partition == other ? "" : table.default_partition;
        at(other).parent.clear();
        for (const std::string& index : indexes_of(other)) {
            indexes_[index].parent.clear();
        }
    } else if (each.kind == kind::inherit) {
        at(relation).inherits.push_back(other);
        at(other).children.push_back(relation);
    } else if (each.kind == kind::no_inherit) {
        std::erase(at(relation).inherits, other);
        std::erase(at(other).children, relation);
    }
}

/// What a clause does to a table it does to what hangs below it.
void schema::apply_to_tree(const std::string& relation, const ddl::statement& what, const ddl::clause& each) {
    using kind = ddl::clause_kind;
    const bool checks = each.made && (each.made->kind == ddl::constraint_kind::check ||
                                      each.made->kind == ddl::constraint_kind::not_null);
    const bool all = each.kind == kind::add_column || each.kind == kind::drop_column || each.kind == kind::alter_type ||
                     each.kind == kind::set_not_null || each.kind == kind::drop_not_null ||
                     each.kind == kind::rename_column || each.kind == kind::drop_constraint ||
                     each.kind == kind::validate_constraint || (each.kind == kind::add_constraint && checks);
    apply_clause(relation, what, each);
    if (all && !what.only && what.object == ddl::object_kind::table) {
        const auto below = tree_of(relation, true);
        for (std::size_t place = 1; place < below.size(); ++place) {
            apply_clause(below[place], what, each);
        }
    }
}

void schema::apply_type(const ddl::statement& what) {
    using kind = ddl::statement_kind;
    const std::string name = name_of(what.relation);
    if (what.kind == kind::add_enum_value) {
        known_type& type = types_[name];
        type.what = known_type::kind::enumeration;
        if (type.transaction != transaction_ || type.file != file_) {  // those of a new type can be used at once
            type.fresh_values.insert(what.name);
            type.values_transaction = transaction_;
        }
        return;
    }
    known_type made;
    made.what = what.value == "enum"               ? known_type::kind::enumeration
                : what.kind == kind::create_domain ? known_type::kind::domain
                                                   : known_type::kind::other;
    if (what.kind == kind::create_domain) {
        made.base = what.columns.front().type;
        made.constrained =
            std::any_of(what.constraints.begin(), what.constraints.end(), [](const ddl::constraint& each) {
                return each.kind == ddl::constraint_kind::check || each.kind == ddl::constraint_kind::not_null;
            });
    }
    made.transaction = transaction_;
    made.file = file_;
    types_[own_name(what.relation, false)] = made;
}

void schema::set_path(const ddl::statement& what) {
    if (what.kind == ddl::statement_kind::reset) {
        if (what.name == "search_path" || what.name.empty()) {
            search_path_ = default_path_;
        }
        return;
    }
    if (what.name != "search_path") {
        return;
    }
    std::vector<std::string> path;
    for (const std::string& each : what.names) {
        if (each != "$user" && each != "pg_catalog" && !each.empty()) {
            path.push_back(each);
        }
    }
    search_path_ = path.empty() ? default_path_ : path;
}

void schema::apply_create_view(const ddl::statement& what) {
    known_relation& made = at(own_name(what.relation, what.temporary));
    made.kind = relation_kind::view;
    made.whole = made.whole || !what.or_replace;
    made.reads.clear();
    for (const qualified_name& each : what.reads) {
        made.reads.push_back(name_of(each));
    }
    made.file = made.file == 0 ? file_ : made.file;
}

void schema::apply_create_sequence(const ddl::statement& what) {
    known_relation& made = at(own_name(what.relation, what.temporary));
    made.kind = relation_kind::sequence;
    made.whole = true;
    made.file = file_;
}

void schema::apply_create_statistics(const ddl::statement& what) {
    if (what.names.size() == 2) {
        statistics_[written(what.names[0], what.names[1])] = name_of(what.relation);
    } else if (what.names.size() == 1) {
        statistics_[written(search_path_.front(), what.names[0])] = name_of(what.relation);
    }
}

void schema::apply(const ddl::statement& what) {
    using kind = ddl::statement_kind;
    switch (what.kind) {
        case kind::create_table:
        case kind::create_table_as:
            apply_create_table(what);
            break;
        case kind::create_view:
            apply_create_view(what);
            break;
        case kind::create_sequence:
            apply_create_sequence(what);
            break;
        case kind::create_index:
            apply_create_index(what);
            break;
        case kind::create_statistics:
            apply_create_statistics(what);
            break;
        case kind::drop:
            apply_drop(what);
            break;
        case kind::alter_table: {
            const std::string relation = name_of(what.relation);
            for (const ddl::clause& each : what.clauses) {
                apply_to_tree(relation, what, each);
            }
            break;
        }
        case kind::insert:
        case kind::merge:
        case kind::copy:
            if (const auto known = relations_.find(name_of(what.relation)); known != relations_.end()) {
                known->second.filled = true;
            }
            break;
        case kind::create_type:
        case kind::create_domain:
        case kind::add_enum_value:
            apply_type(what);
            break;
        case kind::alter_domain:
            if (what.value == "C" || what.value == "O") {
                types_[name_of(what.relation)].constrained = true;
            }
            break;
        case kind::set:
        case kind::reset:
            set_path(what);
            break;
        case kind::perform:
        case kind::create_schema:
            for (const ddl::statement& each : what.inner) {
                apply(each);
            }
            break;
        default:
            break;
    }
}

}  // namespace pgeist::probe
