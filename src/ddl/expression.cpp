#include <algorithm>

#include "pgeist/core/clipped.hpp"
#include "pgeist/core/identifier.hpp"
#include "tree.hpp"

namespace pgeist::ddl {

namespace tree {

namespace {

void add_once(std::vector<std::string>& to, std::string text) {
    if (std::find(to.begin(), to.end(), text) == to.end()) {
        to.push_back(std::move(text));
    }
}

/// Functions that SQL calls by words of their own: current_timestamp and so on.
std::string name_of_value_function(const std::string& operation) {
    const std::size_t begin = std::string_view("SVFOP_").size();
    std::string name = operation.size() > begin ? operation.substr(begin) : operation;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); });
    return name.ends_with("_n") ? name.substr(0, name.size() - 2) : name;
}

void note(std::string_view kind, const json::object& node, contents& into) {
    if (kind == "FuncCall") {
        const auto parts = strings(list(node, "funcname"));
        const qualified_name name = name_of(parts);
        const bool own = name.schema.empty() || name.schema == "pg_catalog";
        add_once(into.functions, own ? name.name : name.schema + "." + name.name);
    } else if (kind == "SQLValueFunction") {
        add_once(into.functions, name_of_value_function(text(node, "op")));
    } else if (kind == "ColumnRef") {
        const auto parts = strings(list(node, "fields"));
        if (!parts.empty()) {
            add_once(into.columns, parts.back());
        }
    } else if (kind == "A_Const") {
        if (const auto& literal = object(node, "sval"); !literal.empty()) {
            into.literals.push_back(text(literal, "sval"));
        }
    } else if (kind == "RangeVar") {
        into.relations.push_back(relation(node));
    } else if (kind == "CommonTableExpr") {
        add_once(into.common_tables, text(node, "ctename"));
    } else if (kind == "SelectStmt" || kind == "SubLink") {
        into.query = true;
        into.locks_rows = into.locks_rows || !list(node, "lockingClause").empty();
    } else if (kind == "InsertStmt" || kind == "UpdateStmt" || kind == "DeleteStmt" || kind == "MergeStmt") {
        into.writers.push_back({kind, &node});
    }
}

}  // namespace

void collect(const json::value& value, contents& into) {
    if (value.is_array()) {
        for (const json::value& each : value.get_array()) {
            collect(each, into);
        }
        return;
    }
    if (value.is_object()) {
        collect(value.get_object(), into);
    }
}

void collect(const json::object& node, contents& into) {
    for (const auto& member : node) {
        if (!member.value().is_object() && !member.value().is_array()) {
            continue;
        }
        const std::string_view key = member.key();
        if (member.value().is_object() && !key.empty() && key[0] >= 'A' && key[0] <= 'Z') {
            note(key, member.value().get_object(), into);
        } else if (member.value().is_object() && (key == "relation" || key == "rel")) {
            note("RangeVar", member.value().get_object(), into);
        }
        collect(member.value(), into);
    }
}

namespace {

bool is_constant(const json::value& value) {
    const auto [kind, node] = node_of(value);
    if (kind == "A_Const") {
        return true;
    }
    if (kind == "TypeCast") {
        return node->contains("arg") && is_constant(node->at("arg"));
    }
    if (kind == "A_ArrayExpr") {
        const auto& items = list(*node, "elements");
        return std::all_of(items.begin(), items.end(), is_constant);
    }
    if (kind == "A_Expr" && !node->contains("lexpr")) {  // a sign before a number
        return node->contains("rexpr") && is_constant(node->at("rexpr"));
    }
    return false;
}

bool is_plain(const json::value& value) {
    const auto [kind, node] = node_of(value);
    return kind == "ColumnRef" || (kind == "TypeCast" && node->contains("arg") && is_plain(node->at("arg")));
}

bool is_null(const json::value& value) {
    const auto [kind, node] = node_of(value);
    if (kind == "TypeCast") {
        return node->contains("arg") && is_null(node->at("arg"));
    }
    return kind == "A_Const" && flag(*node, "isnull");
}

/// `c IS NOT NULL`, by itself or joined with others by AND.
void find_proofs(const json::value& value, std::vector<std::string>& into) {
    const auto [kind, node] = node_of(value);
    if (kind == "NullTest" && text(*node, "nulltesttype") == "IS_NOT_NULL") {
        const auto [inner, column] = node_of(*node, "arg");
        const auto parts = inner == "ColumnRef" ? strings(list(*column, "fields")) : std::vector<std::string>();
        if (parts.size() == 1) {
            add_once(into, parts[0]);
        }
    } else if (kind == "BoolExpr" && text(*node, "boolop") == "AND_EXPR") {
        for (const json::value& each : list(*node, "args")) {
            find_proofs(each, into);
        }
    }
}

}  // namespace

expression read_expression(const json::value& value) {
    contents found;
    collect(value, found);
    expression made;
    made.functions = std::move(found.functions);
    made.columns = std::move(found.columns);
    made.literals = std::move(found.literals);
    made.query = found.query;
    made.constant = is_constant(value);
    made.null = is_null(value);
    made.plain = is_plain(value);
    find_proofs(value, made.proven_not_null);
    return made;
}

}  // namespace tree

std::string type_name::display() const {
    static const std::pair<std::string_view, std::string_view> words[] = {
        {"int2", "smallint"}, {"int4", "integer"}, {"int8", "bigint"},
        {"bool", "boolean"},  {"float4", "real"},  {"float8", "double precision"},
        {"bpchar", "char"}};
    const auto* const word =
        std::find_if(std::begin(words), std::end(words), [&](const auto& each) { return each.first == name; });
    std::string out = schema.empty() ? "" : display_identifier(schema) + ".";
    out += schema.empty() && word != std::end(words) ? std::string(word->second)
           : name.find(' ') == std::string::npos     ? display_identifier(name)
                                                     : name;
    for (std::size_t at = 0; at < modifiers.size(); ++at) {
        out += (at == 0 ? "(" : ",") + std::to_string(modifiers[at]);
    }
    return out + (modifiers.empty() ? "" : ")") + (array ? "[]" : "");
}

const constraint* column::find(constraint_kind kind) const {
    const auto found =
        std::find_if(constraints.begin(), constraints.end(), [&](const constraint& each) { return each.kind == kind; });
    return found == constraints.end() ? nullptr : &*found;
}

std::string made_name(const std::string& table, const std::vector<std::string>& columns, const std::string& suffix) {
    std::string middle;
    for (const std::string& each : columns) {  // ChooseIndexNameAddition() stops when the buffer is full
        if (middle.size() >= longest_identifier) {
            break;
        }
        middle += (middle.empty() ? "" : "_") + each;
    }
    middle.resize(clipped(middle).size());
    const std::size_t overhead = (middle.empty() ? 0 : 1) + (suffix.empty() ? 0 : 1 + suffix.size());
    std::size_t left = table.size();
    std::size_t right = middle.size();
    while (left + right > longest_identifier - overhead) {  // makeObjectName() shortens the longer one
        (left > right ? left : right) -= 1;
    }
    std::string name(clipped(table, left));
    name += middle.empty() ? "" : "_" + std::string(clipped(middle, right));
    return name + (suffix.empty() ? "" : "_" + suffix);
}

std::string made_name(const std::string& table, const constraint& what) {
    const auto columns_read = [&]() -> std::vector<std::string> {
        return what.value && what.value->columns.size() == 1 ? what.value->columns : std::vector<std::string>{};
    };
    switch (what.kind) {
        case constraint_kind::check:
            return made_name(table, columns_read(), "check");
        case constraint_kind::unique:
            return made_name(table, what.columns, "key");
        case constraint_kind::foreign_key:
            return made_name(table, what.columns, "fkey");
        case constraint_kind::exclusion:
            return made_name(table, what.columns, "excl");
        case constraint_kind::not_null:
            return made_name(table, what.columns, "not_null");
        case constraint_kind::primary_key:
            return made_name(table, {}, "pkey");
        default:
            return "";
    }
}

}  // namespace pgeist::ddl
