#include "classify.hpp"

#include <map>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/ddl/sql_text.hpp"

namespace pgeist::plan {

namespace {

namespace json = boost::json;

// The clause is parsed in the statement it belongs to; places in the tree count from the statement's start.
const std::string statement_head = "ALTER TABLE t ";

[[noreturn]] void refuse(const std::string& text, const std::string& reason) {
    throw error(exit_code::refused, fmt::format("cannot do \"{}\": {}", text, reason));
}

std::string text_at(const json::object& object, const char* field) {
    const auto* value = object.if_contains(field);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

bool flag_at(const json::object& object, const char* field) {
    const auto* value = object.if_contains(field);
    return value != nullptr && value->is_bool() && value->as_bool();
}

/// The node under `object`'s only member, with that member's name: {"Constraint": {…}}.
std::pair<std::string, const json::object*> node_of(const json::value& value) {
    const auto& object = value.as_object();
    if (object.size() != 1 || !object.begin()->value().is_object()) {
        return {"", nullptr};
    }
    return {object.begin()->key(), &object.begin()->value().as_object()};
}

void add_reference(clause& into, const json::object& constraint) {
    const auto* table = constraint.if_contains("pktable");
    if (text_at(constraint, "contype") != "CONSTR_FOREIGN" || table == nullptr) {
        return;
    }
    const auto& range = table->as_object();
    reference found;
    found.table = qualified_name{text_at(range, "schemaname"), text_at(range, "relname")};
    found.begin = static_cast<std::size_t>(range.at("location").to_number<std::int64_t>()) - statement_head.size();
    const auto tokens = ddl::sql_text::scan(into.text);
    for (std::size_t at = 0; at < tokens.size(); ++at) {
        if (tokens[at].begin == found.begin) {
            while (at + 2 < tokens.size() && tokens[at + 1].sign == '.') {
                at += 2;
            }
            found.end = tokens[at].end;
        }
    }
    into.references.push_back(found);
}

/// Text of the type that a ColumnDef names: from the type to the first thing after it.
void read_added_column(clause& into, const json::object& column) {
    into.column = text_at(column, "colname");
    const auto* type = column.if_contains("typeName");
    const auto* constraints = column.if_contains("constraints");
    std::size_t end = into.text.size();
    const auto place = [](const json::object& node) {
        return static_cast<std::size_t>(node.at("location").to_number<std::int64_t>()) - statement_head.size();
    };
    if (constraints != nullptr) {
        for (const auto& each : constraints->as_array()) {
            const auto [kind, node] = node_of(each);
            if (kind == "Constraint" && node != nullptr) {
                end = std::min(end, place(*node));
                add_reference(into, *node);
            }
        }
    }
    if (type != nullptr && type->as_object().contains("location")) {
        const auto begin = place(type->as_object());
        into.type = into.text.substr(begin, end - begin);
        while (!into.type.empty() && into.type.back() == ' ') {
            into.type.pop_back();
        }
    }
}

void read_constraint(clause& into, const json::object& command) {
    const auto* definition = command.if_contains("def");
    if (definition == nullptr) {
        return;
    }
    const auto [kind, node] = node_of(*definition);
    if (kind != "Constraint" || node == nullptr) {
        return;
    }
    into.constraint = text_at(*node, "conname");
    into.kind = clause_kind::add_constraint;
    add_reference(into, *node);
}

void refuse_unsupported(const std::string& subtype, const std::string& text) {
    static const std::map<std::string, std::string> reasons{
        {"AT_AttachPartition", "partitions are not attached online"},
        {"AT_DetachPartition", "partitions are not detached online; DETACH PARTITION … CONCURRENTLY does it"},
        {"AT_DetachPartitionFinalize", "partitions are not detached online; DETACH PARTITION … CONCURRENTLY does it"},
        {"AT_AddInherit", "inheritance cannot be changed"},
        {"AT_DropInherit", "inheritance cannot be changed"},
        {"AT_AddOf", "a typed table cannot be made"},
        {"AT_DropOf", "a typed table cannot be made"},
    };
    const auto found = reasons.find(subtype);
    if (found != reasons.end()) {
        refuse(text, found->second);
    }
}

void read_command(clause& into, const json::object& command) {
    const std::string subtype = text_at(command, "subtype");
    refuse_unsupported(subtype, into.text);
    into.if_exists = flag_at(command, "missing_ok");
    if (subtype == "AT_DropColumn") {
        into.kind = clause_kind::drop_column;
        into.column = text_at(command, "name");
    } else if (subtype == "AT_AddConstraint") {
        read_constraint(into, command);
    } else if (subtype == "AT_DropConstraint") {
        into.kind = clause_kind::drop_constraint;
        into.constraint = text_at(command, "name");
    } else if (subtype == "AT_ChangeOwner") {
        into.kind = clause_kind::change_owner;
        if (const auto* owner = command.if_contains("newowner")) {
            into.new_name = text_at(owner->as_object(), "rolename");
        }
    } else if (subtype == "AT_AddColumn") {
        into.kind = clause_kind::add_column;
        if (const auto* definition = command.if_contains("def")) {
            const auto [kind, node] = node_of(*definition);
            if (kind == "ColumnDef" && node != nullptr) {
                read_added_column(into, *node);
            }
        }
    }
}

void read_rename(clause& into, const json::object& rename) {
    const std::string what = text_at(rename, "renameType");
    into.column = text_at(rename, "subname");
    into.new_name = text_at(rename, "newname");
    if (what == "OBJECT_COLUMN") {
        into.kind = clause_kind::rename_column;
    } else if (what == "OBJECT_TABCONSTRAINT") {
        into.kind = clause_kind::rename_constraint;
        into.constraint = std::exchange(into.column, {});
    } else {
        refuse(into.text, "renaming the table itself needs no rewrite; run it as plain ALTER TABLE");
    }
}

/// ALTER [COLUMN] name [SET DATA] TYPE type [COLLATE …] [USING expression], by its words: the expression may be newer
/// than the parser.
bool read_alter_type(clause& into) {
    const auto tokens = ddl::sql_text::scan(into.text);
    std::size_t at = 0;
    const auto word = [&](std::size_t place, const char* expected) {
        return place < tokens.size() && !tokens[place].quoted && tokens[place].word == expected;
    };
    if (!word(at, "alter")) {
        return false;
    }
    at += word(at + 1, "column") ? 2 : 1;
    const std::size_t name = at++;
    at += word(at, "set") && word(at + 1, "data") ? 2 : 0;
    if (!word(at, "type") || at + 1 >= tokens.size()) {
        return false;
    }
    const std::size_t type = at + 1;
    std::size_t type_end = tokens.back().end;
    int depth = 0;
    for (at = type; at < tokens.size(); ++at) {
        depth += tokens[at].sign == '(' || tokens[at].sign == '[' ? 1 : 0;
        depth -= tokens[at].sign == ')' || tokens[at].sign == ']' ? 1 : 0;
        if (depth == 0 && word(at, "using") && at + 1 < tokens.size()) {
            const std::size_t begin = tokens[at + 1].begin;
            into.using_expression = into.text.substr(begin, tokens.back().end - begin);
            type_end = std::min(type_end, tokens[at - 1].end);
            break;
        }
        if (depth == 0 && word(at, "collate")) {
            type_end = std::min(type_end, tokens[at - 1].end);
        }
    }
    into.kind = clause_kind::alter_type;
    into.column = tokens[name].word;
    into.type = into.text.substr(tokens[type].begin, type_end - tokens[type].begin);
    return true;
}

}  // namespace

clause classify(const std::string& text) {
    clause into;
    into.text = text;
    if (read_alter_type(into)) {
        return into;
    }
    const auto tree = ddl::sql_text::parse(statement_head + text);
    if (!tree.ok()) {
        // Newer syntax, or none at all: the server will say, when the clause is run on the empty shadow.
        into.kind = clause_kind::unknown;
        return into;
    }
    const auto& statement = tree.root.at("stmts").at(0).at("stmt");
    const auto [kind, node] = node_of(statement);
    if (kind == "RenameStmt") {
        read_rename(into, *node);
    } else if (kind == "AlterObjectSchemaStmt") {
        refuse(text, "moving the table to another schema needs no rewrite; run it as plain ALTER TABLE");
    } else if (kind == "AlterTableStmt") {
        read_command(into, *node_of(node->at("cmds").at(0)).second);
    } else {
        into.kind = clause_kind::unknown;
    }
    return into;
}

}  // namespace pgeist::plan
