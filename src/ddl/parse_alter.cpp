// ALTER TABLE and what is written like it.

#include <map>

#include "parse.hpp"

namespace pgeist::ddl::parse {

namespace {

using tree::flag;
using tree::node_of;
using tree::text;

const std::map<std::string, clause_kind>& subtypes() {
    using enum clause_kind;
    static const std::map<std::string, clause_kind> known{
        {"AT_AddColumn", add_column},
        {"AT_DropColumn", drop_column},
        {"AT_AlterColumnType", alter_type},
        {"AT_ColumnDefault", set_default},
        {"AT_SetNotNull", set_not_null},
        {"AT_DropNotNull", drop_not_null},
        {"AT_DropExpression", drop_expression},
        {"AT_AddIdentity", add_identity},
        {"AT_SetIdentity", set_identity},
        {"AT_DropIdentity", drop_identity},
        {"AT_SetStatistics", set_statistics},
        {"AT_SetOptions", set_column_options},
        {"AT_ResetOptions", set_column_options},
        {"AT_AlterColumnGenericOptions", set_column_options},
        {"AT_SetStorage", set_storage},
        {"AT_SetCompression", set_compression},
        {"AT_AddConstraint", add_constraint},
        {"AT_AlterConstraint", alter_constraint},
        {"AT_ValidateConstraint", validate_constraint},
        {"AT_DropConstraint", drop_constraint},
        {"AT_ChangeOwner", change_owner},
        {"AT_ClusterOn", cluster_on},
        {"AT_DropCluster", set_without_cluster},
        {"AT_SetLogged", set_logged},
        {"AT_SetUnLogged", set_unlogged},
        {"AT_SetAccessMethod", set_access_method},
        {"AT_SetTableSpace", set_tablespace},
        {"AT_SetRelOptions", set_options},
        {"AT_ResetRelOptions", reset_options},
        {"AT_GenericOptions", set_options},
        {"AT_EnableTrig", enable_trigger},
        {"AT_EnableAlwaysTrig", enable_trigger},
        {"AT_EnableReplicaTrig", enable_trigger},
        {"AT_EnableTrigAll", enable_trigger},
        {"AT_EnableTrigUser", enable_trigger},
        {"AT_DisableTrig", disable_trigger},
        {"AT_DisableTrigAll", disable_trigger},
        {"AT_DisableTrigUser", disable_trigger},
        {"AT_EnableRule", enable_rule},
        {"AT_EnableAlwaysRule", enable_rule},
        {"AT_EnableReplicaRule", enable_rule},
        {"AT_DisableRule", enable_rule},
        {"AT_EnableRowSecurity", row_security},
        {"AT_DisableRowSecurity", row_security},
        {"AT_ForceRowSecurity", row_security},
        {"AT_NoForceRowSecurity", row_security},
        {"AT_ReplicaIdentity", replica_identity},
        {"AT_AddInherit", inherit},
        {"AT_DropInherit", no_inherit},
        {"AT_AddOf", of_type},
        {"AT_DropOf", of_type},
        {"AT_AttachPartition", attach_partition},
        {"AT_DetachPartition", detach_partition},
        {"AT_DetachPartitionFinalize", detach_finalize},
    };
    return known;
}

void read_options(clause& into, const tree::json::object& command) {
    const auto [kind, node] = node_of(command, "def");
    for (const auto& each : tree::list(kind == "List" ? *node : command, kind == "List" ? "items" : "def")) {
        const auto [option, definition] = node_of(each);
        if (option == "DefElem") {
            into.options.push_back(text(*definition, "defname"));
        }
    }
}

void read_partition(clause& into, const tree::json::object& partition) {
    into.partner = tree::relation(tree::object(partition, "name"));
    into.concurrently = flag(partition, "concurrent");
    into.default_partition = flag(tree::object(partition, "bound"), "is_default");
}

void read_definition(clause& into, const tree::json::object& command) {
    const auto [kind, node] = node_of(command, "def");
    if (kind == "ColumnDef") {
        into.added = tree::read_column(*node);
        if (into.name.empty()) {
            into.name = into.added->name;
        }
        if (const auto* value = node->if_contains("raw_default")) {
            into.value = tree::read_expression(*value);
        }
    } else if (kind == "Constraint") {
        into.made = tree::read_constraint(*node);
        into.name = into.name.empty() ? into.made->name : into.name;
        into.word = flag(*node, "deferrable") ? "DEFERRABLE" : "";
    } else if (kind == "PartitionCmd") {
        read_partition(into, *node);
    } else if (kind == "RangeVar") {
        into.partner = tree::relation(*node);
    } else if (kind == "ReplicaIdentityStmt") {
        const std::string type = text(*node, "identity_type");
        into.word = type == "n" ? "NOTHING" : type == "f" ? "FULL" : type == "i" ? "INDEX" : "DEFAULT";
        into.partner.name = text(*node, "name");
    } else if (const auto* value = command.if_contains("def"); into.kind == clause_kind::set_default) {
        into.kind = value == nullptr ? clause_kind::drop_default : clause_kind::set_default;
        if (value != nullptr) {
            into.value = tree::read_expression(*value);
        }
    } else {
        read_options(into, command);
    }
}

clause read_command(const tree::json::object& command) {
    clause made;
    const std::string subtype = text(command, "subtype");
    const auto found = subtypes().find(subtype);
    made.kind = found == subtypes().end() ? clause_kind::unknown : found->second;
    made.name = text(command, "name");
    made.if_exists = flag(command, "missing_ok");
    made.cascade = text(command, "behavior") == "DROP_CASCADE";
    if (made.kind == clause_kind::enable_trigger || made.kind == clause_kind::disable_trigger) {
        made.word = subtype.ends_with("All") ? "ALL" : subtype.ends_with("User") ? "USER" : "";
    } else if (made.kind == clause_kind::row_security || made.kind == clause_kind::enable_rule) {
        made.word = subtype.starts_with("AT_Disable") ? "DISABLE" : "ENABLE";
    }
    read_definition(made, command);
    return made;
}

void read_rename(statement& into, const tree::json::object& node) {
    const std::string what = text(node, "renameType");
    clause made;
    made.name = text(node, "subname");
    made.new_name = text(node, "newname");
    made.kind = clause_kind::rename;
    into.relation = tree::relation(tree::object(node, "relation"));
    into.if_exists = flag(node, "missing_ok");
    into.object = object_of(what);
    if (what == "OBJECT_COLUMN" || what == "OBJECT_ATTRIBUTE") {
        made.kind = clause_kind::rename_column;
        into.object = object_of(text(node, "relationType"));
        into.object = what == "OBJECT_ATTRIBUTE" ? object_kind::type : into.object;
    } else if (what == "OBJECT_TABCONSTRAINT") {
        made.kind = clause_kind::rename_constraint;
        into.object = object_kind::table;
    } else if (into.relation.name.empty() && node.contains("object")) {
        into.relation = tree::name_of(tree::strings(node.at("object")));
    }
    into.clauses = {made};
}

void read_schema_or_owner(statement& into, const tree::json::object& node, clause_kind kind) {
    clause made;
    made.kind = kind;
    made.new_name = text(node, "newschema");
    into.relation = tree::relation(tree::object(node, "relation"));
    into.object = object_of(text(node, "objectType"));
    into.if_exists = flag(node, "missing_ok");
    if (into.relation.name.empty() && node.contains("object")) {
        into.relation = tree::name_of(tree::strings(node.at("object")));
    }
    into.clauses = {made};
}

}  // namespace

object_kind object_of(const std::string& written) {
    using enum object_kind;
    static const std::map<std::string, object_kind> known{
        {"OBJECT_TABLE", table},
        {"OBJECT_FOREIGN_TABLE", foreign_table},
        {"OBJECT_INDEX", index},
        {"OBJECT_SEQUENCE", sequence},
        {"OBJECT_VIEW", view},
        {"OBJECT_MATVIEW", materialized_view},
        {"OBJECT_TYPE", object_kind::type},
        {"OBJECT_DOMAIN", domain},
        {"OBJECT_SCHEMA", schema},
        {"OBJECT_TRIGGER", trigger},
        {"OBJECT_RULE", rule},
        {"OBJECT_POLICY", policy},
        {"OBJECT_FUNCTION", function},
        {"OBJECT_PROCEDURE", function},
        {"OBJECT_ROUTINE", function},
        {"OBJECT_AGGREGATE", function},
        {"OBJECT_EXTENSION", extension},
        {"OBJECT_STATISTIC_EXT", statistics},
        {"OBJECT_PUBLICATION", publication},
        {"OBJECT_COLUMN", column},
        {"OBJECT_TABCONSTRAINT", constraint},
        {"OBJECT_DATABASE", database},
    };
    const auto found = known.find(written);
    return found == known.end() ? other : found->second;
}

bool alter(statement& into, std::string_view kind, const tree::json::object& node) {
    if (kind == "AlterTableStmt") {
        into.relation = tree::relation(tree::object(node, "relation"));
        into.only = !flag(tree::object(node, "relation"), "inh");
        into.object = object_of(text(node, "objtype"));
        into.if_exists = flag(node, "missing_ok");
        for (const auto& each : tree::list(node, "cmds")) {
            into.clauses.push_back(read_command(*node_of(each).node));
        }
        into.kind = statement_kind::alter_table;
        // CREATE TYPE's counterpart is written as an ALTER TABLE of the type's row.
        into.kind = into.object == object_kind::type ? statement_kind::alter_composite : into.kind;
        return true;
    }
    into.kind = statement_kind::alter_table;
    if (kind == "RenameStmt") {
        read_rename(into, node);
        return true;
    }
    if (kind == "AlterObjectSchemaStmt") {
        read_schema_or_owner(into, node, clause_kind::set_schema);
        return true;
    }
    if (kind == "AlterOwnerStmt") {
        read_schema_or_owner(into, node, clause_kind::change_owner);
        return true;
    }
    if (kind == "AlterObjectDependsStmt") {
        read_schema_or_owner(into, node, clause_kind::extension_dependency);
        return true;
    }
    into.kind = statement_kind::not_understood;
    return false;
}

namespace {

/// Passes over `ALTER TABLE [IF EXISTS] [ONLY] name [*]`; 0 if the text does not begin so.
std::size_t head_of(const std::vector<token>& all, alter_parts& into) {
    std::size_t at = 1;
    const auto is = [&](const char* word) { return at < all.size() && all[at].is(word); };
    if (all.size() < 3 || !all[0].is("alter")) {
        return 0;
    }
    if (is("materialized") || is("foreign")) {
        ++at;
    }
    if (!is("table") && !is("index") && !is("view") && !is("sequence")) {
        return 0;
    }
    ++at;
    if (is("if") && at + 1 < all.size() && all[at + 1].is("exists")) {
        into.if_exists = true;
        at += 2;
    }
    if (is("only")) {
        into.only = true;
        ++at;
    }
    const bool bracket = at < all.size() && all[at].is_sign('(');
    at += bracket ? 1 : 0;
    if (at >= all.size() || !all[at].is_name()) {
        return 0;
    }
    into.relation.name = all[at++].text;
    while (at + 1 < all.size() && all[at].is_sign('.') && all[at + 1].is_name()) {
        into.relation = qualified_name{into.relation.name, all[at + 1].text};
        at += 2;
    }
    at += bracket ? 1 : 0;
    at += at < all.size() && all[at].is_sign('*') ? 1 : 0;
    return at < all.size() ? at : 0;
}

}  // namespace

std::optional<alter_parts> cut_alter(const std::string& text) {
    const auto all = tokens_of(text);
    alter_parts parts;
    std::size_t at = head_of(all, parts);
    if (at == 0) {
        return std::nullopt;
    }
    parts.head = text.substr(0, all[at - 1].end);
    std::size_t begin = all[at].begin;
    int depth = 0;
    for (; at < all.size(); ++at) {
        depth += all[at].is_sign('(') || all[at].is_sign('[') ? 1 : 0;
        depth -= all[at].is_sign(')') || all[at].is_sign(']') ? 1 : 0;
        if (depth == 0 && all[at].is_sign(',') && at + 1 < all.size()) {
            parts.clauses.push_back(text.substr(begin, all[at - 1].end - begin));
            begin = all[at + 1].begin;
        }
    }
    parts.clauses.push_back(text.substr(begin, all.back().end - begin));
    return parts;
}

}  // namespace pgeist::ddl::parse
