#include "rebinding.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::dependents {

namespace {

constexpr const char* columns_used_sql = R"(
    SELECT DISTINCT d.refobjsubid FROM pg_depend d
     WHERE d.classid = $1::text::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $3 AND d.refobjsubid > 0
       AND d.objid = $2)";

constexpr const char* strangers_sql = R"(
    SELECT DISTINCT pg_get_userbyid(x.grantee)
      FROM pg_default_acl d CROSS JOIN LATERAL aclexplode(d.defaclacl) AS x
     WHERE d.defaclobjtype IN ('r', 'f') AND x.grantee <> 0 ORDER BY 1)";

constexpr const char* relation_sql = R"(
    SELECT c.relkind, pg_has_role(c.relowner, 'USAGE') AS owned, pg_get_userbyid(c.relowner) AS owner
      FROM pg_class c WHERE c.oid = to_regclass($1))";

constexpr const char* another_type = "given another type";
constexpr const char* renamed = "renamed";

/// What became of the column, in words; empty when it is as it was.
std::string fate_of(const rebinding& what, const catalog::column& column) {
    const catalog::column* kept = kept_column(what.at, what.after, column.attnum);
    if (kept == nullptr) {
        return "dropped";
    }
    if (kept->name != column.name) {
        return renamed;
    }
    return kept->type != column.type || kept->collation != column.collation ? another_type : "";
}

}  // namespace

namespace {

std::string key_of(const catalog::bound_object& object) { return fmt::format("{} {}", object.kind, object.oid); }

}  // namespace

/// With those of the other tables of a group, whose names are then printed bare, too.
std::string home_path(const build_context& at) {
    std::vector<std::string> schemas{quote_identifier(at.source.name.schema)};
    for (const build_context* each : at.group) {
        const std::string schema = quote_identifier(each->source.name.schema);
        if (std::find(schemas.begin(), schemas.end(), schema) == schemas.end()) {
            schemas.push_back(schema);
        }
    }
    return join(schemas, ", ");
}

std::string shadow_path(const build_context& at) {
    std::string path = quote_identifier(at.job_schema);
    for (const build_context* each : at.group) {
        path += ", " + quote_identifier(each->job_schema);
    }
    return fmt::format("{}, {}", path, home_path(at));
}

std::vector<catalog::bound_object> bound_objects(const build_context& at) {
    std::vector<catalog::bound_object> own;
    for (const catalog::bound_object& each : at.source.bound) {
        if (at.led_by_others.count(key_of(each)) == 0) {
            own.push_back(each);
        }
    }
    own.insert(own.end(), at.led_for_others.begin(), at.led_for_others.end());
    return own;
}

awaitable<std::string> printed(build_context& at, std::string path, std::string deparser, std::int64_t oid) {
    co_await at.conn.execute(catalog::reading_settings);
    co_await at.conn.execute("SET LOCAL search_path TO " + path);
    if (deparser.find("$1") == std::string::npos) {
        deparser = fmt::format("SELECT {}($1::pg_catalog.oid)", deparser);
    }
    const auto rows = co_await at.conn.query(std::move(deparser), oid);
    std::string text = rows.text(0, 0);
    text.erase(text.find_last_not_of("; \n") + 1);
    co_await at.conn.execute(catalog::session_settings(at.conn));
    co_return text;
}

awaitable<void> try_with(rebinding& what, std::string name, std::string path, std::string sql) {
    std::optional<pg::sql_error> failed;
    co_await what.at.conn.execute("SET LOCAL row_security TO on; SET LOCAL search_path TO " + path);
    try {
        co_await what.at.conn.execute(std::move(sql));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (failed) {
        refuse_object(what, name, in_user_words(what.at, failed->diag().message),
                      fmt::format("drop {} for the time of the run", name));
    }
    co_await what.at.conn.execute("SET LOCAL row_security TO off");
    co_await what.at.conn.execute(catalog::session_settings(what.at.conn));
}

awaitable<void> require_same_operators(rebinding& what, std::string name, catalog::used_operators before,
                                       catalog::used_operators after) {
    if (!what.overloads.empty()) {  // another function stands for the one that the row type asks for
        const auto is_function = [](const std::string& oid) { return oid.front() == 'f'; };
        std::erase_if(before.oids, is_function);
        std::erase_if(after.oids, is_function);
    }
    auto others = catalog::other_operators(before, after);
    if (others.empty()) {
        co_return;
    }
    const std::string names = co_await catalog::operator_names(what.at.conn, std::move(others));
    refuse_object(what, name, fmt::format("read again from its text it would not mean the same: {}", names),
                  fmt::format("drop {} for the time of the run and make it again afterwards", name));
}

void expect_operators(rebinding& what, const std::string& name, const std::string& tree,
                      const catalog::used_operators& used) {
    const auto functions = what.overloads.empty() ? catalog::made_anew::no : catalog::made_anew::some;
    what.into.same_operators.push_back({name, catalog::same_operators_sql(tree, used, functions)});
}

std::string moved_home(const build_context& at, const std::string& text) {
    // The job's schema has a name that the server does not quote.
    std::string moved =
        renamed_schema(text, at.job_schema + ".", quote_identifier(at.source.name.schema) + ".", names_in::text);
    for (const build_context* each : at.group) {
        moved = renamed_schema(moved, each->job_schema + ".", quote_identifier(each->source.name.schema) + ".",
                               names_in::text);
    }
    return moved;
}

namespace {

/// `allowed`: what may become of the columns that the object uses.
awaitable<void> require_columns(rebinding& what, std::string catalog_name, catalog::bound_object object,
                                std::set<std::string> allowed) {
    const auto rows = co_await what.at.conn.query(columns_used_sql, catalog_name, object.oid, what.at.source.oid);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto* column = what.at.source.find_column(static_cast<int>(rows.integer(row, 0)));
        const std::string fate = column != nullptr ? fate_of(what, *column) : "";
        if (!fate.empty() && allowed.count(fate) == 0) {
            refuse_object(what, object.name,
                          fmt::format("it uses column {}, which is {}", display_identifier(column->name), fate),
                          fmt::format("drop {} for the time of the run and make it again afterwards", object.name));
        }
    }
}

}  // namespace

awaitable<bool> uses_changed_columns(rebinding& what, std::string catalog_name, catalog::bound_object object) {
    const auto rows = co_await what.at.conn.query(columns_used_sql, catalog_name, object.oid, what.at.source.oid);
    bool changed = false;
    for (int row = 0; row < rows.rows(); ++row) {
        const auto* column = what.at.source.find_column(static_cast<int>(rows.integer(row, 0)));
        changed = changed || (column != nullptr && !fate_of(what, *column).empty());
    }
    co_return changed;
}

awaitable<void> require_same_columns(rebinding& what, std::string catalog_name, catalog::bound_object object) {
    std::set<std::string> allowed;
    co_await require_columns(what, std::move(catalog_name), std::move(object), std::move(allowed));
}

awaitable<void> require_same_names(rebinding& what, std::string catalog_name, catalog::bound_object object) {
    std::set<std::string> allowed;
    allowed.insert(another_type);
    co_await require_columns(what, std::move(catalog_name), std::move(object), std::move(allowed));
}

awaitable<void> require_none_dropped(rebinding& what, std::string catalog_name, catalog::bound_object object) {
    std::set<std::string> allowed;
    allowed.insert(another_type);
    allowed.insert(renamed);
    co_await require_columns(what, std::move(catalog_name), std::move(object), std::move(allowed));
}

bool renames_columns(const rebinding& what) {
    const auto& group = what.at.group;
    return !what.at.renamed.empty() ||
           std::any_of(group.begin(), group.end(), [](const build_context* each) { return !each->renamed.empty(); });
}

namespace {

/// Where the empty copies are on which the server is to rename columns: that of the table, and those of the other
/// tables of its group that rename some.
std::vector<const build_context*> with_copies(const build_context& at) {
    std::vector<const build_context*> all{&at};
    for (const build_context* each : at.group) {
        if (!each->renamed.empty()) {
            all.push_back(each);
        }
    }
    return all;
}

qualified_name renaming_copy(const build_context& of) { return {of.passage_schema, of.source.name.name}; }

/// In two steps: names may change places.
std::string rename_sql(const build_context& of) {
    std::string first;
    std::string then;
    int number = 0;
    for (const auto& [from, to] : of.renamed) {
        const std::string passing = quote_identifier(fmt::format("pgeist_{}", ++number));
        const std::string rename = fmt::format("ALTER TABLE {} RENAME COLUMN ", renaming_copy(of).sql());
        first += fmt::format("{}{} TO {}; ", rename, quote_identifier(from), passing);
        then += fmt::format("{}{} TO {}; ", rename, passing, quote_identifier(to));
    }
    return first + then;
}

}  // namespace

awaitable<std::string> printed_with_new_names(rebinding& what, std::string name, catalog::operator_schemas schemas,
                                              std::string create, std::string deparser, std::string oid) {
    build_context& at = what.at;
    const auto copies = with_copies(at);
    std::string path;
    for (const build_context* each : copies) {
        path += quote_identifier(each->passage_schema) + ", ";
    }
    path += home_path(at);
    co_await begin_trial(at);
    for (const build_context* each : copies) {  // with its keys: a view may be grouped by the primary key alone
        co_await at.conn.execute(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING INDEXES)", renaming_copy(*each).sql(),
                                             each->source.name.sql()));
    }
    co_await try_with(what, name, with_schemas(path, schemas), std::move(create));
    for (const build_context* each : copies) {
        if (!each->renamed.empty()) {
            co_await at.conn.execute(rename_sql(*each));
        }
    }
    const auto row = co_await at.conn.query(fmt::format("SELECT {}::oid::bigint", oid));
    std::string text = co_await printed(at, with_schemas(path, schemas), std::move(deparser), row.integer(0, 0));
    co_await undo_trial(at);
    co_return text;
}

plan::swap_lock lock_view(const qualified_name& view, bool materialized) {
    // To the schema it is in: somebody who has moved it meanwhile is noticed, not undone.
    return {plan::lock_way::statement, view,
            fmt::format("ALTER {}VIEW {} SET SCHEMA {}", materialized ? "MATERIALIZED " : "", view.sql(),
                        quote_identifier(view.schema))};
}

awaitable<plan::swap_lock> lock_of(rebinding& what, qualified_name relation, std::string object) {
    const auto rows = co_await what.at.conn.query(relation_sql, relation.sql());
    const std::string kind = rows.text(0, "relkind");
    if (!rows.boolean(0, "owned")) {
        refuse_object(what, object,
                      fmt::format("{} belongs to {}", relation.display(), display_identifier(rows.text(0, "owner"))),
                      "run as a role that has the rights of its owner");
    }
    if (kind == "v") {
        co_await require_may_create(what, object, relation.schema);
        plan::swap_lock view = lock_view(relation, false);
        co_return view;
    }
    if (kind != "r" && kind != "p") {
        refuse_object(what, object, fmt::format("{} is no table that can be locked", relation.display()),
                      "drop it for the time of the run and make it again afterwards");
    }
    plan::swap_lock table{plan::lock_way::table, relation, ""};
    co_return table;
}

void require_own_grants(const rebinding& what, const std::string& name, const catalog::access_list& acl,
                        const std::string& owner) {
    for (const auto& each : acl.grants) {
        if (each.grantor != owner) {
            refuse_object(what, name,
                          fmt::format("{} granted rights on it, which only that role can grant again",
                                      display_identifier(each.grantor)),
                          "grant them as the owner instead, or drop it for the time of the run");
        }
    }
}

awaitable<void> require_owner_may_create(rebinding& what, std::string name, std::string owner, std::string schema) {
    const auto row = co_await what.at.conn.query(
        "SELECT rolsuper OR (has_schema_privilege($1::name, $2, 'CREATE') AND has_schema_privilege($2, 'CREATE')) "
        "FROM pg_roles WHERE rolname = current_user",
        owner, schema);
    if (!row.boolean(0, 0)) {
        refuse_object(what, name,
                      fmt::format("its owner {} and you must both have CREATE on schema {} for it to be made again",
                                  display_identifier(owner), display_identifier(schema)),
                      "grant CREATE on the schema for the time of the run");
    }
}

awaitable<void> require_may_create(rebinding& what, std::string name, std::string schema) {
    const auto row = co_await what.at.conn.query("SELECT has_schema_privilege($1, 'CREATE')", schema);
    if (!row.boolean(0, 0)) {
        refuse_object(what, name, fmt::format("you need the right CREATE on its schema {}", display_identifier(schema)),
                      fmt::format("GRANT CREATE ON SCHEMA {} TO {}, for the time of the run", quote_identifier(schema),
                                  quote_identifier(what.at.conn.user())));
    }
}

void refuse_object(const rebinding& what, const std::string& name, const std::string& reason, const std::string& hint) {
    throw error(exit_code::refused,
                fmt::format("{} cannot be led to the new {}: {}", name, what.at.source.name.display(), reason), hint);
}

namespace {

constexpr const char* other_columns_sql = R"(
    SELECT DISTINCT d.refobjsubid FROM pg_depend d
     WHERE d.classid = $1::text::regclass AND d.objid = $2 AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $3
       AND d.refobjsubid > 0)";

/// What is tied to several tables of a group is tried on this one's shadow alone, unless all its names lead to shadows:
/// then the other ones' columns must stay what they are.
awaitable<void> require_same_elsewhere(rebinding& what, catalog::bound_object object) {
    const bool tried_on_all = object.kind == "view" || object.kind == "materialized view" ||
                              object.kind == "function" || object.kind == "procedure";
    if (tried_on_all) {
        co_return;
    }
    const char* where = object.kind == "policy"    ? "pg_policy"
                        : object.kind == "rule"    ? "pg_rewrite"
                        : object.kind == "trigger" ? "pg_trigger"
                                                   : "pg_attrdef";
    for (const build_context* other : what.at.group) {
        const auto rows = co_await what.at.conn.query(other_columns_sql, where, object.oid, other->source.oid);
        if (!rows.empty() && other->changes_columns) {
            refuse_object(
                what, object.name,
                fmt::format("it uses columns of {}, too, which changes with it", other->source.name.display()),
                fmt::format("drop {} for the time of the run and make it again afterwards", object.name));
        }
    }
}

}  // namespace

namespace {

bool is_view(const catalog::bound_object& object) {
    return object.kind == "view" || object.kind == "materialized view";
}

/// A table, and every view that stands on it.
struct with_views {
    build_context* at = nullptr;
    std::set<std::int64_t> views;
    std::size_t leader = 0;  ///< place of the table that leads them
};

awaitable<std::set<std::int64_t>> views_of(build_context& at) {
    std::vector<std::string> roots;
    std::set<std::int64_t> all;
    for (const catalog::bound_object& each : at.source.bound) {
        if (is_view(each)) {
            roots.push_back(std::to_string(each.oid));
        }
    }
    if (roots.empty()) {
        co_return all;
    }
    const auto tree = co_await standing_on(at, std::move(roots));
    for (int row = 0; row < tree.rows(); ++row) {
        all.insert(tree.integer(row, "oid"));
    }
    co_return all;
}

bool have_common(const with_views& one, const with_views& other) {
    return std::any_of(one.views.begin(), one.views.end(),
                       [&](std::int64_t view) { return other.views.count(view) > 0; });
}

/// Those that have a view in common, also by way of others, get one leader.
void join_leaders(std::vector<with_views>& tables) {
    for (std::size_t one = 0; one < tables.size(); ++one) {
        for (std::size_t other = 0; other < one; ++other) {
            const std::size_t from = tables[one].leader;
            const std::size_t to = tables[other].leader;
            if (from == to || !have_common(tables[one], tables[other])) {
                continue;
            }
            for (with_views& each : tables) {
                each.leader = each.leader == std::max(from, to) ? std::min(from, to) : each.leader;
            }
        }
    }
}

void lead_for(build_context& leader, build_context& other) {
    for (const catalog::bound_object& each : other.source.bound) {
        if (!is_view(each)) {
            continue;
        }
        other.led_by_others.insert(key_of(each));
        const auto is_it = [&](const catalog::bound_object& known) { return key_of(known) == key_of(each); };
        if (std::none_of(leader.source.bound.begin(), leader.source.bound.end(), is_it) &&
            std::none_of(leader.led_for_others.begin(), leader.led_for_others.end(), is_it)) {
            leader.led_for_others.push_back(each);
        }
    }
}

}  // namespace

awaitable<void> deal_out_views(std::vector<build_context*> all) {
    std::vector<with_views> tables;
    for (build_context* each : all) {
        with_views one;
        one.at = each;
        one.views = co_await views_of(*each);
        one.leader = tables.size();
        tables.push_back(std::move(one));
    }
    join_leaders(tables);
    for (std::size_t place = 0; place < tables.size(); ++place) {
        if (tables[place].leader != place) {
            lead_for(*tables[tables[place].leader].at, *tables[place].at);
        }
    }
}

awaitable<void> plan_bound_objects(build_context& at, const catalog::table& after, plan::blueprint& into) {
    rebinding what{at, after, into, {}, {}, {}};
    target::note_changes(at, after);
    what.retyped = at.retypes;
    const auto strangers = co_await at.conn.query(strangers_sql);
    for (int row = 0; row < strangers.rows(); ++row) {
        what.strangers.push_back(strangers.text(row, 0));
    }
    for (const build_context* each : at.group) {
        what.retyped = what.retyped || each->retypes;
    }
    const std::vector<catalog::bound_object> bound = bound_objects(at);
    for (const catalog::bound_object& each : bound) {
        co_await require_same_elsewhere(what, each);
    }
    for (const catalog::bound_object& each : bound) {
        if (each.kind == "function" || each.kind == "procedure") {
            co_await rebind_function(what, each);
        } else if (each.kind == "policy") {
            co_await rebind_policy(what, each);
        } else if (each.kind == "default value") {
            co_await rebind_default(what, each);
        } else if (each.kind == "trigger") {
            co_await rebind_trigger(what, each);
        } else if (each.kind == "rule") {
            co_await rebind_rule(what, each);
        }
    }
    co_await rebind_materialized_views(what);
    co_await rebind_views(what);
    for (build_context* other : at.group) {
        for (const catalog::bound_object& each : bound) {
            if (!is_view(each)) {  // those were dealt out
                other->led_by_others.insert(key_of(each));
            }
        }
    }
}

}  // namespace pgeist::dependents
