// CREATE … of things that are relations, or stand on one; and types.

#include <algorithm>

#include "parse.hpp"

namespace pgeist::ddl::parse {

namespace {

using tree::flag;
using tree::node_of;
using tree::object;
using tree::text;

bool is_temporary(const tree::json::object& range_var) { return text(range_var, "relpersistence") == "t"; }

void note_contents(statement& into, const tree::json::value& from) {
    tree::contents found;
    tree::collect(from, found);
    for (const qualified_name& each : found.relations) {
        const bool common = each.schema.empty() && std::find(found.common_tables.begin(), found.common_tables.end(),
                                                             each.name) != found.common_tables.end();
        if (!common && std::find(into.reads.begin(), into.reads.end(), each) == into.reads.end()) {
            into.reads.push_back(each);
        }
    }
    into.functions.insert(into.functions.end(), found.functions.begin(), found.functions.end());
    into.literals.insert(into.literals.end(), found.literals.begin(), found.literals.end());
}

void read_table(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::create_table;
    into.object = object_kind::table;
    into.relation = tree::relation(object(node, "relation"));
    into.temporary = is_temporary(object(node, "relation"));
    into.if_not_exists = flag(node, "if_not_exists");
    into.partitioned = node.contains("partspec");
    for (const auto& each : tree::list(node, "tableElts")) {
        const auto [kind, element] = node_of(each);
        if (kind == "ColumnDef") {
            into.columns.push_back(tree::read_column(*element));
        } else if (kind == "Constraint") {
            into.constraints.push_back(tree::read_constraint(*element));
        } else if (kind == "TableLikeClause") {
            into.reads.push_back(tree::relation(object(*element, "relation")));
        }
    }
    const auto parents = tree::relations(tree::list(node, "inhRelations"));
    if (node.contains("partbound") && !parents.empty()) {
        into.partition_of = parents.front();
        into.default_partition = flag(object(node, "partbound"), "is_default");
    } else {
        into.inherits = parents;
    }
}

void read_index(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::create_index;
    into.object = object_kind::index;
    into.relation = tree::relation(object(node, "relation"));
    into.only = !flag(object(node, "relation"), "inh");
    into.concurrently = flag(node, "concurrent");
    into.if_not_exists = flag(node, "if_not_exists");
    ddl::index made;
    made.name = text(node, "idxname");
    made.unique = flag(node, "unique");
    made.method = text(node, "accessMethod");
    for (const auto& each : tree::list(node, "indexParams")) {
        const auto [kind, element] = node_of(each);
        index_column column;
        column.name = text(*element, "name");
        if (const auto* value = element->if_contains("expr")) {
            column.value = tree::read_expression(*value);
        }
        const std::string order = text(*element, "ordering");
        const std::string nulls = text(*element, "nulls_ordering");
        column.plain = (order.empty() || order == "SORTBY_DEFAULT" || order == "SORTBY_ASC") &&
                       (nulls.empty() || nulls == "SORTBY_NULLS_DEFAULT") &&
                       tree::list(*element, "collation").empty() && tree::list(*element, "opclass").empty();
        made.columns.push_back(std::move(column));
    }
    if (const auto* predicate = node.if_contains("whereClause")) {
        made.predicate = tree::read_expression(*predicate);
    }
    into.made_index = std::move(made);
}

void read_trigger(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::create_trigger;
    into.object = object_kind::trigger;
    into.relation = tree::relation(object(node, "relation"));
    into.name = text(node, "trigname");
    into.value = flag(node, "row") ? "ROW" : "";
    into.or_replace = flag(node, "replace");
    if (node.contains("constrrel")) {
        into.relations = {tree::relation(object(node, "constrrel"))};
    }
}

void read_publication(statement& into, const tree::json::object& node) {
    into.object = object_kind::publication;
    into.name = text(node, "pubname");
    into.all_tables = flag(node, "for_all_tables");
    into.value = text(node, "action");
    for (const auto& each : tree::list(node, "pubobjects")) {
        const auto [kind, element] = node_of(each);
        const auto& table = object(object(*element, "pubtable"), "relation");
        if (!table.empty()) {
            into.relations.push_back(tree::relation(table));
        } else {
            into.names.push_back(text(*element, "name"));
        }
    }
}

void read_domain(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::create_domain;
    into.object = object_kind::domain;
    into.relation = tree::name_of(tree::strings(tree::list(node, "domainname")));
    for (const auto& each : tree::list(node, "constraints")) {
        const auto [kind, element] = node_of(each);
        if (kind == "Constraint") {
            into.constraints.push_back(tree::read_constraint(*element));
        }
    }
    column base;
    base.type = tree::type(object(node, "typeName"));
    into.columns = {base};
}

bool read_type(statement& into, std::string_view kind, const tree::json::object& node) {
    into.object = object_kind::type;
    if (kind == "CreateEnumStmt") {
        into.relation = tree::name_of(tree::strings(tree::list(node, "typeName")));
        into.names = tree::strings(tree::list(node, "vals"));
        into.value = "enum";
    } else if (kind == "CompositeTypeStmt") {
        into.relation = tree::relation(object(node, "typevar"));
    } else if (kind == "CreateRangeStmt") {
        into.relation = tree::name_of(tree::strings(tree::list(node, "typeName")));
    } else {
        into.object = object_kind::none;
        return false;
    }
    into.kind = statement_kind::create_type;
    return true;
}

void read_schema(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::create_schema;
    into.object = object_kind::schema;
    into.name = text(node, "schemaname");
    into.if_not_exists = flag(node, "if_not_exists");
    for (const auto& each : tree::list(node, "schemaElts")) {
        statement part;
        part.text = into.text;
        part.begin = into.begin;
        if (!any(part, each)) {
            into.why = "a part of it is not known to pgeist";
            continue;
        }
        if (part.relation.schema.empty()) {
            part.relation.schema = into.name;
        }
        into.inner.push_back(std::move(part));
    }
}

void read_table_as(statement& into, const tree::json::object& node) {
    into.kind = statement_kind::create_table_as;
    into.object = text(node, "objtype") == "OBJECT_MATVIEW" ? object_kind::materialized_view : object_kind::table;
    const auto& target = object(node, "into");
    into.relation = tree::relation(object(target, "rel"));
    into.temporary = is_temporary(object(target, "rel"));
    into.with_data = !flag(target, "skipData");
    into.if_not_exists = flag(node, "if_not_exists");
    if (node.contains("query")) {
        note_contents(into, node.at("query"));
    }
}

}  // namespace

bool create(statement& into, std::string_view kind, const tree::json::object& node) {
    if (kind == "CreateStmt") {
        read_table(into, node);
    } else if (kind == "CreateForeignTableStmt") {
        read_table(into, object(node, "base"));
        into.object = object_kind::foreign_table;
    } else if (kind == "CreateTableAsStmt") {
        read_table_as(into, node);
    } else if (kind == "IndexStmt") {
        read_index(into, node);
    } else if (kind == "CreateTrigStmt") {
        read_trigger(into, node);
    } else if (kind == "CreatePolicyStmt" || kind == "AlterPolicyStmt") {
        into.kind = kind[0] == 'C' ? statement_kind::create_policy : statement_kind::alter_policy;
        into.object = object_kind::policy;
        into.relation = tree::relation(object(node, "table"));
        into.name = text(node, "policy_name");
    } else if (kind == "RuleStmt") {
        into.kind = statement_kind::create_rule;
        into.object = object_kind::rule;
        into.relation = tree::relation(object(node, "relation"));
        into.name = text(node, "rulename");
        into.or_replace = flag(node, "replace");
    } else if (kind == "ViewStmt") {
        into.kind = statement_kind::create_view;
        into.object = object_kind::view;
        into.relation = tree::relation(object(node, "view"));
        into.temporary = is_temporary(object(node, "view"));
        into.or_replace = flag(node, "replace");
        if (node.contains("query")) {
            note_contents(into, node.at("query"));
        }
    } else if (kind == "CreateStatsStmt") {
        into.kind = statement_kind::create_statistics;
        into.object = object_kind::statistics;
        into.relations = tree::relations(tree::list(node, "relations"));
        into.relation = into.relations.empty() ? qualified_name() : into.relations.front();
        into.names = tree::strings(tree::list(node, "defnames"));
        into.name = tree::name_of(into.names).name;
        into.if_not_exists = flag(node, "if_not_exists");
    } else if (kind == "CreatePublicationStmt" || kind == "AlterPublicationStmt") {
        into.kind = kind[0] == 'C' ? statement_kind::create_publication : statement_kind::alter_publication;
        read_publication(into, node);
    } else if (kind == "CreateSeqStmt" || kind == "AlterSeqStmt") {
        into.kind = kind[0] == 'C' ? statement_kind::create_sequence : statement_kind::alter_sequence;
        into.object = object_kind::sequence;
        into.relation = tree::relation(object(node, "sequence"));
        into.temporary = is_temporary(object(node, "sequence"));
        into.if_not_exists = flag(node, "if_not_exists");
        into.if_exists = flag(node, "missing_ok");
    } else if (kind == "CreateDomainStmt") {
        read_domain(into, node);
    } else if (kind == "CreateSchemaStmt") {
        read_schema(into, node);
    } else if (!read_type(into, kind, node)) {
        return false;
    }
    return true;
}

}  // namespace pgeist::ddl::parse
