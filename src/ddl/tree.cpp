#include "tree.hpp"

namespace pgeist::ddl::tree {

namespace {

const json::object nothing;
const json::array no_items;

std::vector<std::int64_t> modifiers_of(const json::array& list) {
    std::vector<std::int64_t> values;
    for (const json::value& each : list) {
        const auto [kind, node] = node_of(each);
        if (kind == "A_Const") {
            values.push_back(number(object(*node, "ival"), "ival"));
        }
    }
    return values;
}

void read_foreign_key(constraint& into, const json::object& node) {
    into.references = relation(object(node, "pktable"));
    into.referenced_columns = strings(list(node, "pk_attrs"));
    if (const auto own = strings(list(node, "fk_attrs")); !own.empty()) {
        into.columns = own;
    }
}

constraint_kind kind_of(const std::string& type) {
    static const std::pair<std::string_view, constraint_kind> kinds[] = {
        {"CONSTR_NULL", constraint_kind::null},
        {"CONSTR_NOTNULL", constraint_kind::not_null},
        {"CONSTR_DEFAULT", constraint_kind::default_value},
        {"CONSTR_IDENTITY", constraint_kind::identity},
        {"CONSTR_GENERATED", constraint_kind::generated},
        {"CONSTR_CHECK", constraint_kind::check},
        {"CONSTR_PRIMARY", constraint_kind::primary_key},
        {"CONSTR_UNIQUE", constraint_kind::unique},
        {"CONSTR_EXCLUSION", constraint_kind::exclusion},
        {"CONSTR_FOREIGN", constraint_kind::foreign_key},
    };
    for (const auto& [name, kind] : kinds) {
        if (name == type) {
            return kind;
        }
    }
    return constraint_kind::check;
}

}  // namespace

std::string text(const json::object& node, std::string_view field) {
    const json::value* value = node.if_contains(field);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

bool flag(const json::object& node, std::string_view field) {
    const json::value* value = node.if_contains(field);
    return value != nullptr && value->is_bool() && value->as_bool();
}

std::int64_t number(const json::object& node, std::string_view field, std::int64_t otherwise) {
    const json::value* value = node.if_contains(field);
    return value != nullptr && value->is_number() ? value->to_number<std::int64_t>() : otherwise;
}

const json::object& object(const json::object& node, std::string_view field) {
    const json::value* value = node.if_contains(field);
    return value != nullptr && value->is_object() ? value->get_object() : nothing;
}

const json::array& list(const json::object& node, std::string_view field) {
    const json::value* value = node.if_contains(field);
    return value != nullptr && value->is_array() ? value->get_array() : no_items;
}

typed node_of(const json::value& value) {
    if (!value.is_object() || value.get_object().size() != 1 || !value.get_object().begin()->value().is_object()) {
        return {"", &nothing};
    }
    const auto& member = *value.get_object().begin();
    return {std::string_view(member.key()), &member.value().get_object()};
}

typed node_of(const json::object& parent, std::string_view field) {
    const json::value* value = parent.if_contains(field);
    return value != nullptr ? node_of(*value) : typed{"", &nothing};
}

std::vector<std::string> strings(const json::array& items) {
    std::vector<std::string> texts;
    for (const json::value& each : items) {
        const auto [kind, node] = node_of(each);
        if (kind == "String") {
            texts.push_back(text(*node, "sval"));
        }
    }
    return texts;
}

std::vector<std::string> strings(const json::value& value) {
    if (value.is_array()) {
        return strings(value.get_array());
    }
    const auto [kind, node] = node_of(value);
    if (kind == "List") {
        return strings(list(*node, "items"));
    }
    if (kind == "TypeName") {
        return strings(list(*node, "names"));
    }
    if (kind == "String") {
        return {text(*node, "sval")};
    }
    return {};
}

qualified_name name_of(const std::vector<std::string>& parts) {
    if (parts.empty()) {
        return {};
    }
    return qualified_name{parts.size() > 1 ? parts[parts.size() - 2] : "", parts.back()};
}

qualified_name relation(const json::object& range_var) {
    return qualified_name{text(range_var, "schemaname"), text(range_var, "relname")};
}

std::vector<qualified_name> relations(const json::array& items) {
    std::vector<qualified_name> names;
    for (const json::value& each : items) {
        const auto [kind, node] = node_of(each);
        if (kind == "RangeVar") {
            names.push_back(relation(*node));
        }
    }
    return names;
}

type_name type(const json::object& node) {
    type_name made;
    const qualified_name name = name_of(strings(list(node, "names")));
    made.schema = name.schema == "pg_catalog" ? "" : name.schema;
    made.name = name.name;
    made.modifiers = modifiers_of(list(node, "typmods"));
    made.array = !list(node, "arrayBounds").empty();
    static const std::pair<std::string_view, std::string_view> others[] = {
        {"int", "int4"},        {"integer", "int4"}, {"bigint", "int8"}, {"smallint", "int2"},
        {"decimal", "numeric"}, {"boolean", "bool"}, {"real", "float4"},
    };
    for (const auto& [written, catalog] : others) {
        made.name = made.schema.empty() && made.name == written ? catalog : made.name;
    }
    return made;
}

constraint read_constraint(const json::object& node) {
    constraint made;
    made.kind = kind_of(text(node, "contype"));
    made.name = text(node, "conname");
    made.columns = strings(list(node, "keys"));
    if (const json::value* value = node.if_contains("raw_expr")) {
        made.value = read_expression(*value);
    }
    if (made.kind == constraint_kind::foreign_key) {
        read_foreign_key(made, node);
    }
    for (const json::value& each : list(node, "exclusions")) {
        const auto& pair = list(*node_of(each).node, "items");
        const std::string name = pair.empty() ? "" : text(*node_of(pair[0]).node, "name");
        made.columns.push_back(name.empty() ? "expr" : name);
    }
    made.index = text(node, "indexname");
    made.not_valid = flag(node, "skip_validation");
    made.deferrable = flag(node, "deferrable");
    made.no_inherit = flag(node, "is_no_inherit");
    made.not_enforced = flag(node, "pgeist_not_enforced");
    made.stored = !flag(node, "pgeist_virtual");
    return made;
}

column read_column(const json::object& column_def) {
    column made;
    made.name = text(column_def, "colname");
    made.type = type(object(column_def, "typeName"));
    const auto collation = strings(list(object(column_def, "collClause"), "collname"));
    made.collation = collation.empty() ? "" : collation.back();
    for (const json::value& each : list(column_def, "constraints")) {
        const auto [kind, node] = node_of(each);
        const std::string what = kind == "Constraint" ? text(*node, "contype") : "";
        if (what.starts_with("CONSTR_ATTR_")) {
            continue;  // deferrable and so on: of the constraint before it
        }
        if (kind == "Constraint") {
            made.constraints.push_back(read_constraint(*node));
            if (made.constraints.back().columns.empty()) {
                made.constraints.back().columns = {made.name};
            }
        }
    }
    return made;
}

}  // namespace pgeist::ddl::tree
