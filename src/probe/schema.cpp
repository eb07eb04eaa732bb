#include "pgeist/probe/schema.hpp"

#include <algorithm>

#include "pgeist/ddl/index_definition.hpp"
#include "schema_names.hpp"

namespace pgeist::probe {

void schema::begin_file() {
    ++file_;
    search_path_ = default_path_;
}

void schema::set_default_path(std::vector<std::string> path) {
    default_path_ = path.empty() ? std::vector<std::string>{"public"} : std::move(path);
    search_path_ = default_path_;
}

void schema::set_measure(const std::string& relation, const measure_of& size) {
    if (const auto table = relations_.find(relation); table != relations_.end()) {
        table->second.size = size;
    } else if (const auto index = indexes_.find(relation); index != indexes_.end()) {
        index->second.bytes = size.bytes;
        index->second.valid = size.valid;
    }
}

void schema::set_bytes(const std::string& relation, std::int64_t bytes) {
    if (const auto table = relations_.find(relation); table != relations_.end() && table->second.size) {
        table->second.size->bytes = bytes;
    } else if (const auto index = indexes_.find(relation); index != indexes_.end()) {
        index->second.bytes = bytes;
    }
}

void schema::set_sequence(const std::string& relation, const std::string& column, const std::string& sequence,
                          bool identity) {
    if (const auto table = relations_.find(relation); table != relations_.end()) {
        table->second.columns[column].sequence = sequence;
        table->second.columns[column].identity = identity;
    }
}

void schema::begin_transaction(std::size_t number) {
    transaction_ = number;
    for (auto& [name, type] : types_) {
        if (type.values_transaction != number) {
            type.fresh_values.clear();
        }
    }
}

std::string schema::own_name(const qualified_name& name, bool temporary) const {
    if (temporary) {
        return written("pg_temp", name.name);
    }
    return written(name.schema.empty() ? search_path_.front() : name.schema, name.name);
}

std::string schema::name_of(const qualified_name& name) const {
    if (!name.schema.empty()) {
        return written(name.schema, name.name);
    }
    const std::string temporary = written("pg_temp", name.name);
    if (relations_.contains(temporary) || indexes_.contains(temporary)) {
        return temporary;
    }
    for (const std::string& each : search_path_) {
        const std::string full = written(each, name.name);
        if (relations_.contains(full) || indexes_.contains(full) || types_.contains(full)) {
            return full;
        }
    }
    return written(search_path_.front(), name.name);
}

std::string schema::beside(const std::string& relation, const std::string& name) const {
    return written(space_of(relation), name);
}

const known_relation* schema::find(const std::string& relation) const {
    const auto found = relations_.find(relation);
    return found == relations_.end() ? nullptr : &found->second;
}

const known_index* schema::find_index(const std::string& index) const {
    const auto found = indexes_.find(index);
    return found == indexes_.end() ? nullptr : &found->second;
}

bool schema::has_index_of(const ddl::statement& create_index) const {
    const std::string table = name_of(create_index.relation);
    const known_index* there =
        create_index.made_index->name.empty() ? nullptr : find_index(beside(table, create_index.made_index->name));
    return there != nullptr && there->valid && there->table == table &&
           there->unique == create_index.made_index->unique && !there->definition.empty() &&
           there->definition == ddl::comparable_index_definition(create_index.text);
}

const known_type* schema::find_type(const ddl::type_name& type) const {
    const auto found = types_.find(name_of(qualified_name{type.schema, type.name}));
    return found == types_.end() ? nullptr : &found->second;
}

relation_kind schema::kind_of(const std::string& relation) const {
    const known_relation* known = find(relation);
    if (known != nullptr) {
        return known->kind;
    }
    return indexes_.contains(relation) ? relation_kind::index : relation_kind::unknown;
}

bool schema::is_new(const std::string& relation) const {
    if (const known_relation* known = find(relation)) {
        return (known->whole && known->file == file_) || known->temporary;
    }
    if (const known_index* known = find_index(relation)) {
        return is_new(known->table);
    }
    const auto type = types_.find(relation);
    return type != types_.end() && type->second.file == file_;
}

bool schema::is_empty(const std::string& relation) const {
    const known_relation* known = find(relation);
    return known != nullptr && known->whole && known->file == file_ && !known->filled;
}

std::vector<std::string> schema::indexes_of(const std::string& relation) const {
    std::vector<std::string> names;
    for (const auto& [name, index] : indexes_) {
        if (index.table == relation) {
            names.push_back(name);
        }
    }
    return names;
}

std::vector<std::pair<std::string, const known_constraint*>> schema::references_to(const std::string& relation) const {
    std::vector<std::pair<std::string, const known_constraint*>> found;
    for (const auto& [name, table] : relations_) {
        for (const known_constraint& each : table.constraints) {
            if (each.what.kind == ddl::constraint_kind::foreign_key && name_of(each.what.references) == relation) {
                found.emplace_back(name, &each);
            }
        }
    }
    return found;
}

const known_constraint* schema::find_constraint(const std::string& relation, const std::string& name) const {
    const known_relation* known = find(relation);
    if (known == nullptr) {
        return nullptr;
    }
    const auto found = std::find_if(known->constraints.begin(), known->constraints.end(),
                                    [&](const known_constraint& each) { return each.what.name == name; });
    return found == known->constraints.end() ? nullptr : &*found;
}

std::vector<const known_type*> schema::types_with_fresh_value(const std::string& value) const {
    std::vector<const known_type*> found;
    for (const auto& [name, type] : types_) {
        if (type.fresh_values.contains(value)) {
            found.push_back(&type);
        }
    }
    return found;
}

known_relation& schema::at(const std::string& relation) { return relations_[relation]; }

}  // namespace pgeist::probe
