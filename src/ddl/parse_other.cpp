// What is neither ALTER TABLE nor CREATE of a relation: maintenance, queries, transactions, and all the rest.

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "parse.hpp"

namespace pgeist::ddl::parse {

namespace {

using tree::flag;
using tree::node_of;
using tree::object;
using tree::text;

/// Whether a list of options has one of this name that is on.
bool option_on(const tree::json::array& options, std::string_view name) {
    for (const auto& each : options) {
        const auto [kind, node] = node_of(each);
        if (kind != "DefElem" || text(*node, "defname") != name) {
            continue;
        }
        const auto [type, value] = node_of(*node, "arg");
        const std::string word = type == "String" ? text(*value, "sval") : "";
        const bool off = word == "off" || word == "false" || word == "0" || word == "no";
        const bool zero = type == "Integer" && tree::number(*value, "ival") == 0;
        const bool no = type == "Boolean" && !flag(*value, "boolval");
        return !off && !zero && !no;
    }
    return false;
}

/// Names of the objects of a DROP or COMMENT: [schema, table], or [schema, table, name of what stands on it].
void read_dropped(statement& into, const tree::json::object& node) {
    using enum object_kind;
    into.object = object_of(text(node, "removeType"));
    const bool on_table = into.object == trigger || into.object == rule || into.object == policy;
    for (const auto& each : tree::list(node, "objects")) {
        const auto [kind, element] = node_of(each);
        auto parts = kind == "ObjectWithArgs" ? tree::strings(tree::list(*element, "objname")) : tree::strings(each);
        if (on_table && parts.size() > 1) {
            into.names.push_back(parts.back());
            parts.pop_back();
        }
        into.relations.push_back(tree::name_of(parts));
    }
    into.relation = into.relations.empty() ? qualified_name() : into.relations.front();
}

void read_comment(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::comment;
    into.object = object_of(text(node, "objtype"));
    auto parts = node.contains("object") ? tree::strings(node.at("object")) : std::vector<std::string>();
    using enum object_kind;
    const bool on_table = into.object == column || into.object == constraint || into.object == trigger ||
                          into.object == rule || into.object == policy;
    if (on_table && parts.size() > 1) {
        parts.pop_back();
    }
    into.relation = tree::name_of(parts);
}

void read_grant(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::grant;
    into.object = object_of(text(node, "objtype"));
    into.relations = tree::relations(tree::list(node, "objects"));
}

void read_vacuum(statement& into, const tree::json::object& node) {
    const bool vacuum = flag(node, "is_vacuumcmd");
    into.kind = vacuum ? statement_kind::vacuum : statement_kind::analyze;
    into.full = vacuum && option_on(tree::list(node, "options"), "full");
    for (const auto& each : tree::list(node, "rels")) {
        into.relations.push_back(tree::relation(object(*node_of(each).node, "relation")));
    }
    into.all_tables = into.relations.empty();
}

void read_reindex(statement& into, const tree::json::object& node) {
    const std::string what = text(node, "kind");
    into.kind = statement_kind::reindex;
    into.object = what == "REINDEX_OBJECT_INDEX" || what.empty() ? object_kind::index
                  : what == "REINDEX_OBJECT_TABLE"               ? object_kind::table
                                                                 : object_kind::database;
    into.relation = tree::relation(object(node, "relation"));
    into.name = text(node, "name");
    into.all_tables = into.object == object_kind::database;
    into.concurrently = option_on(tree::list(node, "params"), "concurrently");
}

std::string_view lock_words(std::int64_t mode) {
    static constexpr std::array words{
        "",      "ACCESS SHARE",        "ROW SHARE", "ROW EXCLUSIVE",   "SHARE UPDATE EXCLUSIVE",
        "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"};
    return mode > 0 && mode < static_cast<std::int64_t>(words.size()) ? words.at(static_cast<std::size_t>(mode))
                                                                      : words.back();
}

bool is_small_batch(const tree::json::object& node) {
    // WHERE id IN (SELECT … LIMIT n), or a ctid out of one: the usual forms of a bounded batch.
    std::vector<const tree::json::value*> open;
    for (const auto& member : node) {
        open.push_back(&member.value());
    }
    while (!open.empty()) {
        const tree::json::value* value = open.back();
        open.pop_back();
        if (value->is_array()) {
            for (const auto& each : value->get_array()) {
                open.push_back(&each);
            }
        } else if (value->is_object()) {
            if (value->get_object().contains("limitCount")) {
                return true;
            }
            for (const auto& member : value->get_object()) {
                open.push_back(&member.value());
            }
        }
    }
    return false;
}

/// `id = 5`, `code IN ('a', 'b')`, perhaps with more joined by AND: a handful of rows, by the column's usual meaning.
bool names_rows(const tree::json::value& condition) {
    const auto [kind, node] = node_of(condition);
    if (kind == "BoolExpr" && text(*node, "boolop") == "AND_EXPR") {
        const auto& all = tree::list(*node, "args");
        return std::any_of(all.begin(), all.end(), names_rows);
    }
    if (kind != "A_Expr" || !node->contains("rexpr") || !node->contains("lexpr")) {
        return false;
    }
    const std::string form = text(*node, "kind");
    const auto name = tree::strings(tree::list(*node, "name"));
    const bool equals = (form == "AEXPR_OP" || form == "AEXPR_IN") && name == std::vector<std::string>{"="};
    const auto [left, column] = node_of(*node, "lexpr");
    const auto parts = left == "ColumnRef" ? tree::strings(tree::list(*column, "fields")) : std::vector<std::string>();
    static constexpr std::array keys{"id", "uuid", "key", "code", "slug", "name", "email", "version", "version_num"};
    const bool keyed = !parts.empty() && std::find(keys.begin(), keys.end(), parts.back()) != keys.end();
    if (!equals || !keyed) {
        return false;
    }
    const auto [right, list] = node_of(*node, "rexpr");
    const auto& items = tree::list(*list, "items");
    return right == "List" ? std::all_of(items.begin(), items.end(),
                                         [](const auto& each) { return tree::read_expression(each).constant; })
                           : tree::read_expression(node->at("rexpr")).constant;
}

/// The table that a query changes, and how many of its rows, as far as that can be read off.
void read_change(statement& into, const tree::json::object& node) {
    into.relation = tree::relation(object(node, "relation"));
    into.filtered = node.contains("whereClause");
    into.pointed = into.filtered && names_rows(node.at("whereClause"));
    const bool changes = into.kind == statement_kind::update || into.kind == statement_kind::remove;
    into.limited = changes && is_small_batch(node);
    into.only = changes && !flag(object(node, "relation"), "inh");
}

std::optional<statement_kind> kind_of_query(std::string_view kind) {
    using enum statement_kind;
    static const std::map<std::string_view, statement_kind> known{{"InsertStmt", insert},
                                                                  {"UpdateStmt", update},
                                                                  {"DeleteStmt", remove},
                                                                  {"MergeStmt", merge},
                                                                  {"SelectStmt", select}};
    const auto found = known.find(kind);
    return found == known.end() ? std::nullopt : std::optional(found->second);
}

/// Relations that a query reads, besides the one that it writes.
void read_relations(statement& into, const tree::contents& found) {
    for (const qualified_name& each : found.relations) {
        const bool common = each.schema.empty() && std::find(found.common_tables.begin(), found.common_tables.end(),
                                                             each.name) != found.common_tables.end();
        const bool known =
            each == into.relation || std::find(into.reads.begin(), into.reads.end(), each) != into.reads.end();
        if (!common && !known) {
            into.reads.push_back(each);
        }
    }
}

void read_contents(statement& into, const tree::json::object& node) {
    tree::contents found;
    tree::collect(node, found);
    read_relations(into, found);
    for (const auto& [kind, writer] : found.writers) {
        statement one;
        one.kind = *kind_of_query(kind);
        read_change(one, *writer);
        tree::contents of_writer;
        tree::collect(*writer, of_writer);
        of_writer.common_tables = found.common_tables;
        read_relations(one, of_writer);
        into.writes.push_back(std::move(one));
    }
    into.functions = std::move(found.functions);
    into.literals = std::move(found.literals);
    into.value = found.locks_rows || !tree::list(node, "lockingClause").empty() ? "FOR UPDATE" : "";
}

void read_copy(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::copy;
    into.relation = tree::relation(object(node, "relation"));
    into.value = flag(node, "is_from") ? "FROM" : "TO";
    if (node.contains("query")) {
        tree::contents found;
        tree::collect(node.at("query"), found);
        into.reads = std::move(found.relations);
    }
}

void read_do(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::perform;
    std::string language = "plpgsql";
    for (const auto& each : tree::list(node, "args")) {
        const auto [kind, element] = node_of(each);
        const std::string value = tree::text(*node_of(*element, "arg").node, "sval");
        (text(*element, "defname") == "language" ? language : into.value) = value;
    }
    if (language == "plpgsql") {
        procedural(into, into.value);
    } else {
        into.why = "code in " + language + " is not looked into";
    }
}

bool transaction(statement& into, std::string_view kind, const tree::json::object& node) {
    if (kind != "TransactionStmt") {
        return false;
    }
    using enum statement_kind;
    static const std::map<std::string, statement_kind> known{
        {"TRANS_STMT_BEGIN", begin},
        {"TRANS_STMT_START", begin},
        {"TRANS_STMT_COMMIT", commit},
        {"TRANS_STMT_ROLLBACK", rollback},
        {"TRANS_STMT_SAVEPOINT", savepoint},
        {"TRANS_STMT_RELEASE", release},
        {"TRANS_STMT_ROLLBACK_TO", rollback_to},
        {"TRANS_STMT_PREPARE", prepare_transaction},
    };
    const auto found = known.find(text(node, "kind"));
    into.kind = found == known.end() ? other : found->second;
    into.name = text(node, "savepoint_name");
    into.value = flag(node, "chain") ? "AND CHAIN" : "";
    return true;
}

void read_setting(statement& into, const tree::json::object& node) {
    const std::string kind = text(node, "kind");
    const bool resets = kind == "VAR_RESET" || kind == "VAR_RESET_ALL" || kind == "VAR_SET_DEFAULT";
    into.kind = resets ? statement_kind::reset : statement_kind::set;
    into.name = text(node, "name");
    into.local = flag(node, "is_local");
    for (const auto& each : tree::list(node, "args")) {
        const auto [type, argument] = node_of(each);
        const auto& string = object(*argument, "sval");
        const auto& decimal = object(*argument, "fval");
        const std::string value = !string.empty()    ? text(string, "sval")
                                  : !decimal.empty() ? text(decimal, "fval")
                                                     : std::to_string(tree::number(object(*argument, "ival"), "ival"));
        into.names.push_back(value);
        into.value += (into.value.empty() ? "" : ", ") + value;
    }
}

bool is_in(std::string_view kind, std::initializer_list<std::string_view> kinds) {
    return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

}  // namespace

bool maintain(statement& into, std::string_view kind, const tree::json::object& node) {
    if (kind == "DropStmt") {
        into.kind = statement_kind::drop;
        read_dropped(into, node);
        into.if_exists = flag(node, "missing_ok");
        into.cascade = text(node, "behavior") == "DROP_CASCADE";
        into.concurrently = flag(node, "concurrent");
    } else if (kind == "TruncateStmt") {
        into.kind = statement_kind::truncate;
        into.relations = tree::relations(tree::list(node, "relations"));
        into.relation = into.relations.empty() ? qualified_name() : into.relations.front();
        into.cascade = text(node, "behavior") == "DROP_CASCADE";
        into.value = flag(node, "restart_seqs") ? "RESTART IDENTITY" : "";
    } else if (kind == "ReindexStmt") {
        read_reindex(into, node);
    } else if (kind == "ClusterStmt") {
        into.kind = statement_kind::cluster;
        into.relation = tree::relation(object(node, "relation"));
        into.name = text(node, "indexname");
        into.all_tables = into.relation.name.empty();
    } else if (kind == "VacuumStmt") {
        read_vacuum(into, node);
    } else if (kind == "RefreshMatViewStmt") {
        into.kind = statement_kind::refresh;
        into.relation = tree::relation(object(node, "relation"));
        into.concurrently = flag(node, "concurrent");
        into.with_data = !flag(node, "skipData");
    } else if (kind == "AlterDomainStmt") {
        into.kind = statement_kind::alter_domain;
        into.object = object_kind::domain;
        into.relation = tree::name_of(tree::strings(tree::list(node, "typeName")));
        into.value = text(node, "subtype");
        into.name = text(node, "name");
        into.cascade = text(node, "behavior") == "DROP_CASCADE";
        if (const auto [what, definition] = node_of(node, "def"); what == "Constraint") {
            into.constraints = {tree::read_constraint(*definition)};
        }
    } else if (kind == "AlterEnumStmt") {
        into.object = object_kind::type;
        into.relation = tree::name_of(tree::strings(tree::list(node, "typeName")));
        into.name = text(node, "newVal");
        into.if_not_exists = flag(node, "skipIfNewValExists");
        into.value = text(node, "oldVal");
        into.kind = into.value.empty() ? statement_kind::add_enum_value : statement_kind::rename_enum_value;
    } else if (kind == "CommentStmt" || kind == "SecLabelStmt") {
        read_comment(into, node);
    } else if (kind == "GrantStmt") {
        read_grant(into, node);
    } else if (kind == "LockStmt") {
        into.kind = statement_kind::lock_table;
        into.relations = tree::relations(tree::list(node, "relations"));
        into.value = lock_words(tree::number(node, "mode"));
        into.nowait = flag(node, "nowait");
    } else {
        return false;
    }
    return true;
}

bool query(statement& into, std::string_view kind, const tree::json::object& node) {
    using enum statement_kind;
    if (kind == "CopyStmt") {
        read_copy(into, node);
        return true;
    }
    if (kind == "ExplainStmt" && node.contains("query")) {
        statement inner;
        // Without ANALYZE nothing is run; with it everything is.
        const bool runs = option_on(tree::list(node, "options"), "analyze");
        if (!runs || !any(inner, node.at("query"))) {
            into.kind = runs ? not_understood : other;
            return !runs;
        }
        inner.text = into.text;
        inner.begin = into.begin;
        inner.end = into.end;
        inner.end_line = into.end_line;
        into = std::move(inner);
        return true;
    }
    const auto found = kind_of_query(kind);
    if (!found) {
        return false;
    }
    into.kind = *found;
    read_change(into, node);
    if (const auto& target = object(node, "intoClause"); !target.empty()) {  // SELECT … INTO new_table
        into.kind = create_table_as;
        into.object = object_kind::table;
        into.relation = tree::relation(object(target, "rel"));
        into.temporary = text(object(target, "rel"), "relpersistence") == "t";
    }
    read_contents(into, node);
    return true;
}

/// What changes no table, nor anything that a table consists of.
constexpr std::string_view of_no_table[] = {"AlterFunctionStmt",
                                            "CreateRoleStmt",
                                            "AlterRoleStmt",
                                            "DropRoleStmt",
                                            "AlterRoleSetStmt",
                                            "GrantRoleStmt",
                                            "AlterDefaultPrivilegesStmt",
                                            "NotifyStmt",
                                            "ListenStmt",
                                            "UnlistenStmt",
                                            "VariableShowStmt",
                                            "DiscardStmt",
                                            "CheckPointStmt",
                                            "ConstraintsSetStmt",
                                            "DeallocateStmt",
                                            "AlterDatabaseStmt",
                                            "AlterDatabaseSetStmt",
                                            "AlterDatabaseRefreshCollStmt",
                                            "CreateCastStmt",
                                            "CreateConversionStmt",
                                            "CreateOpClassStmt",
                                            "CreateOpFamilyStmt",
                                            "AlterOpFamilyStmt",
                                            "AlterOperatorStmt",
                                            "DefineStmt",
                                            "CreateFdwStmt",
                                            "AlterFdwStmt",
                                            "CreateForeignServerStmt",
                                            "AlterForeignServerStmt",
                                            "CreateUserMappingStmt",
                                            "AlterUserMappingStmt",
                                            "DropUserMappingStmt",
                                            "CreateTransformStmt",
                                            "CreateAmStmt",
                                            "CreatePLangStmt",
                                            "AlterCollationStmt",
                                            "AlterTSDictionaryStmt",
                                            "AlterTSConfigurationStmt",
                                            "AlterTypeStmt",
                                            "AlterStatsStmt",
                                            "CreateEventTrigStmt",
                                            "AlterEventTrigStmt",
                                            "ClosePortalStmt",
                                            "FetchStmt",
                                            "PrepareStmt",
                                            "DeclareCursorStmt"};

bool session(statement& into, std::string_view kind, const tree::json::object& node) {
    using enum statement_kind;
    if (transaction(into, kind, node)) {
        return true;
    }
    if (kind == "VariableSetStmt") {
        read_setting(into, node);
    } else if (kind == "DoStmt") {
        read_do(into, node);
    } else if (kind == "CallStmt") {
        into.kind = call;
        into.why = "what the procedure does is not looked into";
    } else if (kind == "CreateFunctionStmt") {
        into.kind = create_function;
        into.object = object_kind::function;
        into.or_replace = flag(node, "replace");
        into.relation = tree::name_of(tree::strings(tree::list(node, "funcname")));
    } else if (kind == "CreateExtensionStmt" || kind == "AlterExtensionStmt") {
        into.kind = create_extension;
        into.object = object_kind::extension;
        into.name = text(node, "extname");
        into.if_not_exists = flag(node, "if_not_exists");
        if (kind[0] == 'A') {
            into.kind = not_understood;
            into.why = "what an extension's update script does is not looked into";
        }
    } else if (is_in(kind,
                     {"CreatedbStmt", "DropdbStmt", "AlterSystemStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt"})) {
        into.kind = create_database;
        into.object = object_kind::database;
        into.name = kind == "DropdbStmt" ? "drop" : "";
    } else if (std::find(std::begin(of_no_table), std::end(of_no_table), kind) != std::end(of_no_table)) {
        into.kind = other;
    } else {
        return false;
    }
    return true;
}

}  // namespace pgeist::ddl::parse
