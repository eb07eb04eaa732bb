#include <boost/algorithm/string/replace.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

#include "json_fields.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/plan/blueprint.hpp"

namespace pgeist::plan {

namespace {

namespace json = boost::json;
using json_fields::flag;
using json_fields::from;
using json_fields::list;
using json_fields::number;
using json_fields::optional_text;
using json_fields::text;

json::value from_statement(const statement& value) { return json::object{{"label", value.label}, {"sql", value.sql}}; }

statement to_statement(const json::value& value) {
    const auto& object = value.as_object();
    return statement{text(object, "label"), text(object, "sql")};
}

/// Without the arrow, which not every database's encoding has. It is only for people, unlike all else here.
std::string sendable(std::string conversion) {
    boost::replace_all(conversion, "→", "->");
    return conversion;
}

json::value from_column(const column& value) {
    return json::object{
        {"name", value.name},
        {"type", value.type},
        {"source_name", from(value.source_name)},
        {"expression", from(value.expression)},
        {"compared", value.compared},
        {"conversion", sendable(value.conversion)},
    };
}

column to_column(const json::value& value) {
    const auto& object = value.as_object();
    column result;
    result.name = text(object, "name");
    result.type = text(object, "type");
    result.source_name = optional_text(object, "source_name");
    result.expression = optional_text(object, "expression");
    result.compared = flag(object, "compared");
    result.conversion = text(object, "conversion");
    return result;
}

json::value from_key_column(const key_column& value) {
    return json::object{
        {"source_name", value.source_name},
        {"shadow_name", value.shadow_name},
        {"type", value.type},
        {"collation", value.collation},
        {"less", value.less},
        {"less_equal", value.less_equal},
        {"equal", value.equal},
        {"greater_equal", value.greater_equal},
        {"greater", value.greater},
        {"descending", value.descending},
    };
}

key_column to_key_column(const json::value& value) {
    const auto& object = value.as_object();
    key_column result;
    result.source_name = text(object, "source_name");
    result.shadow_name = text(object, "shadow_name");
    result.type = text(object, "type");
    result.collation = text(object, "collation");
    result.less = text(object, "less");
    result.less_equal = text(object, "less_equal");
    result.equal = text(object, "equal");
    result.greater_equal = text(object, "greater_equal");
    result.greater = text(object, "greater");
    result.descending = flag(object, "descending");
    return result;
}

json::value from_key(const key& value) {
    return json::object{
        {"index", value.index},
        {"columns", json_fields::array(value.columns, from_key_column)},
        {"carried", value.carried},
        {"hashable", value.hashable},
    };
}

key to_key(const json::value& value) {
    const auto& object = value.as_object();
    key result;
    result.index = text(object, "index");
    result.columns = list(object, "columns", to_key_column);
    result.carried = flag(object, "carried");
    result.hashable = flag(object, "hashable");
    return result;
}

json::value from_meaning(const meaning& value) {
    return json::object{
        {"uses", from(value.uses)},
        {"search_path", value.search_path},
        {"condition", value.condition},
        {"draft_sql", value.draft_sql},
    };
}

meaning to_meaning(const json::object& object) {
    meaning result;
    result.uses = json_fields::texts(object, "uses");
    result.search_path = text(object, "search_path");
    result.condition = text(object, "condition");
    result.draft_sql = text(object, "draft_sql");
    return result;
}

json::value from_index(const index& value) {
    json::object object{
        {"name", value.name},
        {"create_sql", value.create_sql},
        {"tablespace", value.tablespace},
        {"after", json_fields::array(value.after, from_statement)},
        {"exclusive", value.exclusive},
        {"source_bytes", value.source_bytes},
        {"build_cost", value.build_cost},
    };
    if (!value.meaning.uses.empty()) {
        object["meaning"] = from_meaning(value.meaning);
    }
    return object;
}

index to_index(const json::value& value) {
    const auto& object = value.as_object();
    index result;
    result.name = text(object, "name");
    result.create_sql = text(object, "create_sql");
    result.tablespace = text(object, "tablespace");
    result.after = list(object, "after", to_statement);
    result.exclusive = flag(object, "exclusive");
    result.source_bytes = number(object, "source_bytes");
    result.build_cost = object.contains("build_cost") ? number(object, "build_cost") : result.source_bytes;
    if (const auto* meaning = object.if_contains("meaning")) {
        result.meaning = to_meaning(meaning->as_object());
    }
    return result;
}

json::value from_profile(const pg::session_profile& value) {
    json::array settings;
    for (const auto& [name, setting] : value.settings()) {
        settings.push_back(json::object{{"name", name}, {"value", setting}});
    }
    return settings;
}

pg::session_profile to_profile(const json::object& object) {
    pg::session_profile value;
    if (const auto* settings = object.if_contains("profile")) {  // earlier versions had none
        for (const auto& each : settings->as_array()) {
            value.set(text(each.as_object(), "name"), text(each.as_object(), "value"));
        }
    }
    return value;
}

json::value from_name(const qualified_name& value) { return from(value); }

blueprint read_blueprint(const json::object& object) {
    blueprint value;
    value.version = static_cast<int>(number(object, "version"));
    value.table = json_fields::name(object.at("table"));
    value.source_oid = number(object, "source_oid");
    value.shadow_oid = number(object, "shadow_oid");
    value.job_schema = text(object, "job_schema");
    value.passage_schema = text(object, "passage_schema");
    value.row_triggers = flag(object, "row_triggers");
    value.fingerprint = text(object, "fingerprint");
    value.profile = to_profile(object);
    if (object.contains("clustered_on")) {  // earlier versions did not look
        value.clustered_on = text(object, "clustered_on");
    }
    if (object.contains("fingerprint_parts")) {  // earlier versions had none
        value.fingerprint_parts = json_fields::texts(object, "fingerprint_parts");
    }
    value.key = to_key(object.at("key"));
    value.heap_order = object.contains("heap_order") && flag(object, "heap_order");  // earlier versions had no choice
    value.columns = list(object, "columns", to_column);
    value.key_index = to_index(object.at("key_index"));
    value.key_index_is_temporary = flag(object, "key_index_is_temporary");
    value.indexes = list(object, "indexes", to_index);
    if (object.contains("same_operators")) {  // earlier versions did not look
        value.same_operators = list(object, "same_operators", to_statement);
    }
    value.violations = list(object, "violations", to_statement);
    value.swap_parents = list(object, "swap_parents", json_fields::name);
    value.before_swap = list(object, "before_swap", to_statement);
    value.instead_of_swap = list(object, "instead_of_swap", to_statement);
    value.swap_locks = list(object, "swap_locks", json_fields::name);
    value.ahead = list(object, "ahead", to_statement);
    value.swap_views = list(object, "swap_views", to_statement);
    value.expected = json_fields::texts(object, "expected");
    value.before_move = list(object, "before_move", to_statement);
    value.after_move = list(object, "after_move", to_statement);
    value.finish = list(object, "finish", to_statement);
    value.estimated_rows = number(object, "estimated_rows");
    value.table_bytes = number(object, "table_bytes");
    value.index_bytes = number(object, "index_bytes");
    return value;
}

}  // namespace

std::string probe_sql(const qualified_name& view, const qualified_name& table, const meaning& of) {
    return fmt::format("CREATE VIEW {} AS SELECT 1 AS one FROM ONLY {} WHERE {}", view.sql(), table.sql(),
                       of.condition);
}

std::string to_json(const blueprint& value) {
    json::object object{
        {"version", value.version},
        {"table", from(value.table)},
        {"source_oid", value.source_oid},
        {"shadow_oid", value.shadow_oid},
        {"job_schema", value.job_schema},
        {"passage_schema", value.passage_schema},
        {"row_triggers", value.row_triggers},
        {"fingerprint", value.fingerprint},
        {"profile", from_profile(value.profile)},
        {"fingerprint_parts", from(value.fingerprint_parts)},
        {"key", from_key(value.key)},
        {"heap_order", value.heap_order},
        {"columns", json_fields::array(value.columns, from_column)},
        {"key_index", from_index(value.key_index)},
        {"key_index_is_temporary", value.key_index_is_temporary},
        {"indexes", json_fields::array(value.indexes, from_index)},
        {"same_operators", json_fields::array(value.same_operators, from_statement)},
        {"violations", json_fields::array(value.violations, from_statement)},
        {"swap_parents", json_fields::array(value.swap_parents, from_name)},
        {"before_swap", json_fields::array(value.before_swap, from_statement)},
        {"instead_of_swap", json_fields::array(value.instead_of_swap, from_statement)},
        {"swap_locks", json_fields::array(value.swap_locks, from_name)},
        {"ahead", json_fields::array(value.ahead, from_statement)},
        {"swap_views", json_fields::array(value.swap_views, from_statement)},
        {"expected", from(value.expected)},
        {"before_move", json_fields::array(value.before_move, from_statement)},
        {"after_move", json_fields::array(value.after_move, from_statement)},
        {"finish", json_fields::array(value.finish, from_statement)},
        {"estimated_rows", value.estimated_rows},
        {"table_bytes", value.table_bytes},
        {"index_bytes", value.index_bytes},
    };
    if (value.clustered_on) {
        object["clustered_on"] = *value.clustered_on;
    }
    return json::serialize(object);
}

blueprint blueprint_from_json(const std::string& text) {
    blueprint value;
    try {
        const auto parsed = json_from(text);
        const auto version = number(parsed.as_object(), "version");
        if (version == blueprint::current_version) {
            return read_blueprint(parsed.as_object());
        }
        value.version = static_cast<int>(version);
    } catch (const std::exception& broken) {
        throw error(exit_code::failed, fmt::format("the stored plan cannot be read: {}", broken.what()));
    }
    throw error(exit_code::failed,
                fmt::format("the stored plan has version {}, this program knows version {}", value.version,
                            blueprint::current_version),
                "use the pgeist that started the job");
}

}  // namespace pgeist::plan
