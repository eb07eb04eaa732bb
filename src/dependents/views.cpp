#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "pgeist/catalog/view.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/rights.hpp"
#include "pgeist/sql/table.hpp"
#include "pgeist/sql/trigger.hpp"
#include "rebinding.hpp"

// A view whose columns stay what they are is replaced in place: same object, same rights, and whatever hangs on it
// notices nothing. Where the change gives it another column type, PostgreSQL allows only to drop it and make it again,
// with all views that stand on it.
namespace pgeist::dependents {

namespace {

constexpr const char* same_columns_sql = R"(
    WITH parts AS (SELECT attrelid, array_agg((attnum, attname, atttypid, atttypmod, attcollation)::text ORDER BY attnum) AS p
                     FROM pg_attribute WHERE attnum > 0 AND attrelid IN ($1, $2) GROUP BY attrelid)
    SELECT count(DISTINCT p) = 1 FROM parts)";

// Every view that stands on one of $1, directly or not, after those it stands on.
constexpr const char* standing_on_sql = R"(
    WITH RECURSIVE tree(oid, depth) AS (
        SELECT unnest($1::oid[]), 0
        UNION
        SELECT w.ev_class, t.depth + 1 FROM tree t
          JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_rewrite'::regclass
          JOIN pg_rewrite w ON w.oid = d.objid AND w.ev_class <> t.oid AND w.rulename = '_RETURN')
    SELECT t.oid, max(t.depth) AS depth, c.relkind, (SELECT nspname FROM pg_namespace n WHERE n.oid = c.relnamespace) AS schema,
           pg_describe_object('pg_class'::regclass, t.oid, 0) AS name
      FROM tree t JOIN pg_class c ON c.oid = t.oid GROUP BY t.oid, c.relkind, c.relnamespace ORDER BY depth, t.oid)";

constexpr const char* other_types_sql = R"(
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS before, format_type(b.atttypid, b.atttypmod) AS after
      FROM pg_attribute a JOIN pg_attribute b ON b.attnum = a.attnum
     WHERE a.attrelid = $1 AND b.attrelid = $2 AND a.attnum > 0 ORDER BY a.attnum)";

// What else hangs on a view that is dropped: all but the views that stand on it, and a security label.
constexpr const char* others_sql = R"(
    SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM pg_depend d
     WHERE d.deptype = 'n'
       AND NOT EXISTS (SELECT FROM pg_rewrite w WHERE d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
                                                  AND w.rulename = '_RETURN')
       AND ((d.refclassid = 'pg_class'::regclass AND d.refobjid = $1)
        OR (d.refclassid = 'pg_type'::regclass AND d.refobjid IN (
               SELECT t.oid FROM pg_class c JOIN pg_type t ON t.oid = c.reltype OR t.typelem = c.reltype WHERE c.oid = $1)))
    UNION ALL SELECT 'security label ' || provider FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = $1
     LIMIT 1)";

constexpr const char* viewdef = "pg_catalog.pg_get_viewdef";

std::string create_view(const catalog::view& view, const std::string& name, bool replace) {
    const std::string options = view.options.empty() ? "" : fmt::format(" WITH ({})", option_list(view.options));
    return fmt::format("CREATE {}VIEW {}{} AS {}", replace ? "OR REPLACE " : "", name, options, view.definition);
}

/// The server prints one operator for a row of several columns, `(a, b) OPERATOR(ext.=) ANY (…)`, though not all of
/// them have it there. With but that schema and pg_catalog in the path it prints none, and every name is as certain as
/// with its schema.
awaitable<bool> can_be_read(build_context& at, std::string path, std::string sql) {
    std::optional<pg::sql_error> failed;
    co_await begin_trial(at);
    co_await at.conn.execute("SET LOCAL search_path TO " + path);
    try {
        co_await at.conn.execute(std::move(sql));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    co_await undo_trial(at);
    co_return !failed;
}

/// Text and path give the view that is there: read again over the same tables it uses the same operators.
awaitable<void> require_reading_again(rebinding& what, catalog::view view, std::string name) {
    const qualified_name probe{what.at.passage_schema, "pgeist_view"};
    view.options.clear();
    co_await begin_trial(what.at);
    co_await try_with(what, name, with_schemas(home_path(what.at), view.operators.schemas),
                      create_view(view, probe.sql(), false));
    const auto found = co_await catalog::read_operators(what.at.conn, catalog::trees::of_view(probe));
    co_await require_same_operators(what, name, view.operators, found);
    co_await undo_trial(what.at);
}

/// The view's query with the columns' new names: the server renames them in a view on a copy of the source.
awaitable<void> follow_renaming(rebinding& what, catalog::view& view, std::string name) {
    const qualified_name probe{what.at.passage_schema, "pgeist_view"};
    std::string create = create_view(view, probe.sql(), false);
    view.definition = co_await printed_with_new_names(what, std::move(name), view.operators.schemas, std::move(create),
                                                      viewdef, quote_literal(probe.sql()) + "::regclass");
}

void require_columns_kept(const rebinding& what, const std::string& name, const pg::result& used) {
    for (int row = 0; row < used.rows(); ++row) {
        const auto* column = what.at.source.find_column(static_cast<int>(used.integer(row, 0)));
        if (column != nullptr && kept_column(what.at, what.after, column->attnum) == nullptr) {
            refuse_object(what, name,
                          fmt::format("it uses column {}, which is dropped", display_identifier(column->name)),
                          fmt::format("drop {} first", name));
        }
    }
}

constexpr const char* view_columns_used_sql = R"(
    SELECT DISTINCT d.refobjsubid FROM pg_depend d JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
     WHERE w.ev_class = $1 AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $2 AND d.refobjsubid > 0)";

/// Whether PostgreSQL can replace the view in place: its columns stay what they are. Leaves its query as the swap must
/// write it.
awaitable<bool> keeps_its_columns(rebinding& what, catalog::view& view, std::string label) {
    build_context& at = what.at;
    co_await begin_trial(at);
    const tried_view made = co_await try_view(what, view, label, "pgeist_view");
    const auto row = co_await at.conn.query(same_columns_sql, view.oid, made.oid);
    view.definition = moved_home(at, made.on_shadow);
    view.operators = made.operators;
    const bool same = row.boolean(0, 0);
    co_await undo_trial(at);
    co_return same;
}

void create_again(rebinding& what, const catalog::view& view, const std::string& label) {
    const std::string name = view.name.sql();
    const auto add = [&](const std::string& sql) { what.into.swap.add(plan::stage::attach, {label, sql}); };
    add(with_operators(view.operators.schemas, create_view(view, name, false)));
    expect_operators(what, label, catalog::trees::of_view(view.name), view.operators);
    for (const auto& column : view.columns) {
        if (column.default_expression) {
            add(with_operators(column.operator_schemas,
                               fmt::format("ALTER VIEW {} ALTER COLUMN {} SET DEFAULT {}", name,
                                           quote_identifier(column.name), *column.default_expression)));
        }
        if (column.comment) {
            add(comment_on(fmt::format("COLUMN {}.{}", name, quote_identifier(column.name)), *column.comment).sql);
        }
    }
    catalog::table of;
    of.printed_name = name;
    for (const auto& trigger : view.triggers) {
        for (const auto& each : create_trigger(of, trigger, view.name)) {
            add(each.sql);
        }
    }
    if (view.comment) {
        add(comment_on("VIEW " + name, *view.comment).sql);
    }
    add(fmt::format("ALTER VIEW {} OWNER TO {}", name, quote_identifier(view.owner)));
    for (const auto& each : rights_of_new("TABLE " + name, view.acl, view.implied_acl, view.owner, what.strangers)) {
        add(each.sql);
    }
    for (const auto& column : view.columns) {
        for (const auto& each : change_rights("TABLE " + name, column.name, column.acl, {}, view.owner, true)) {
            add(each.sql);
        }
    }
}

awaitable<void> require_recreatable(rebinding& what, const catalog::view& view, std::string kind, std::string label) {
    const std::string hint = "drop it for the time of the run and make it again afterwards";
    require_own_grants(what, label, view.acl, view.owner);
    for (const auto& column : view.columns) {
        require_own_grants(what, label, column.acl, view.owner);
    }
    if (kind != "v" || view.has_rules || !view.extension.empty()) {
        refuse_object(what, label,
                      kind != "v" ? "a view that it stands on gets other column types"
                                  : "it has rules or belongs to an extension, and gets other column types",
                      hint);
    }
    co_await require_owner_may_create(what, label, view.owner, view.name.schema);
    const auto others = co_await what.at.conn.query(others_sql, view.oid);
    if (!others.empty()) {
        refuse_object(what, label, fmt::format("it gets other column types, and {} depends on it", others.text(0, 0)),
                      hint);
    }
}

/// Drops and makes again `changed` and every view that stands on one of them. @returns their oids
awaitable<std::set<std::int64_t>> make_anew(rebinding& what, std::vector<std::string> changed) {
    build_context& at = what.at;
    const auto tree = co_await standing_on(at, std::move(changed));
    std::vector<std::string> dropped;
    std::set<std::int64_t> made;
    std::vector<plan::swap_lock> locks;
    co_await begin_trial(at);
    for (const auto& each : what.overloads) {
        co_await try_with(what, each.name, each.path, each.sql);
    }
    for (int row = 0; row < tree.rows(); ++row) {
        const std::string label = tree.text(row, "name");
        const std::int64_t oid = tree.integer(row, "oid");
        const std::string kind = tree.text(row, "relkind");
        auto view = co_await read_for_new_table(what, oid, label);
        co_await require_recreatable(what, view, kind, label);
        // Under its own name, so that the next one finds it; views of other schemas are named with theirs.
        std::string name = fmt::format("pgeist_view_{}", row);
        if (view.name.schema == at.source.name.schema) {
            name = view.name.name;
        }
        const tried_view tried = co_await try_view(what, view, label, name);
        view.definition = moved_home(at, tried.on_shadow);
        view.operators = tried.operators;
        co_await tell_other_types(what, label, oid, tried.oid);
        create_again(what, view, label);
        dropped.push_back(view.name.sql());
        made.insert(oid);
        // Who reads a view locks it before those it stands on.
        locks.insert(locks.begin(), lock_view(view.name, false));
    }
    co_await undo_trial(at);
    // First: functions that they use may have to go too.
    plan::swap_step& drop = what.into.swap.add_first(plan::stage::detach,
                                                     {"views that are made again", "DROP VIEW " + join(dropped, ", ")});
    drop.locks = std::move(locks);
    co_return made;
}

}  // namespace

awaitable<pg::result> standing_on(build_context& at, std::vector<std::string> oids) {
    co_return co_await at.conn.query(standing_on_sql, pg::array_literal(oids));
}

awaitable<void> tell_other_types(rebinding& what, std::string name, std::int64_t oid, std::int64_t made) {
    const auto rows = co_await what.at.conn.query(other_types_sql, oid, made);
    std::vector<std::string> others;
    for (int row = 0; row < rows.rows(); ++row) {
        const std::string after = moved_home(what.at, rows.text(row, "after"));
        if (after != rows.text(row, "before")) {
            others.push_back(fmt::format("{} from {} to {}", display_identifier(rows.text(row, "attname")),
                                         rows.text(row, "before"), after));
        }
    }
    if (!others.empty()) {
        what.at.warnings.push_back(fmt::format("columns of {} change their type: {}", name, join(others, ", ")));
    }
}

awaitable<catalog::view> read_for_new_table(rebinding& what, std::int64_t oid, std::string name) {
    const auto used = co_await what.at.conn.query(view_columns_used_sql, oid, what.at.source.oid);
    require_columns_kept(what, name, used);
    catalog::view view = co_await catalog::read_view(what.at.conn, oid);
    view.definition = co_await printed(what.at, with_schemas(home_path(what.at), view.operators.schemas), viewdef, oid);
    if (!view.owned) {
        refuse_object(what, name, fmt::format("it belongs to {}", display_identifier(view.owner)),
                      "run as a role that has the rights of its owner");
    }
    co_await require_may_create(what, name, view.name.schema);
    co_await require_reading_again(what, view, name);
    plan::led_text text;
    text.object = name;
    text.text = view.definition;
    text.schemas = view.operators.schemas;
    text.asked = fmt::format("SELECT {}(pg_catalog.to_regclass({}))", viewdef, quote_literal(view.name.sql()));
    const bool as_before = co_await take_text_of_before(what, text);
    if (as_before) {
        view.definition = text.text;
        view.operators.schemas = text.schemas;
    } else if ((!used.empty() || !what.at.group.empty()) && renames_columns(what)) {
        co_await follow_renaming(what, view, name);
    }
    co_return view;
}

awaitable<tried_view> try_view(rebinding& what, const catalog::view& view, std::string label, std::string name) {
    build_context& at = what.at;
    const qualified_name probe{at.job_schema, std::move(name)};
    co_await try_with(what, label, with_schemas(shadow_path(at), view.operators.schemas),
                      create_view(view, probe.sql(), false));
    tried_view made;
    made.oid = co_await table_oid(at.conn, probe);
    made.on_shadow = co_await printed(at, "pg_catalog", viewdef, made.oid);
    made.operators = co_await catalog::read_operators(at.conn, catalog::trees::of_view(probe));
    if (!what.retyped) {
        co_await require_same_operators(what, label, view.operators, made.operators);
    }
    // What the swap will read, and how.
    const qualified_name again{at.passage_schema, "pgeist_again"};
    const std::string path = with_schemas("pg_catalog", made.operators.schemas);
    catalog::view swapped;
    swapped.definition = made.on_shadow;
    const bool readable = co_await can_be_read(at, path, create_view(swapped, again.sql(), false));
    if (!readable && made.operators.schemas.size() == 1) {
        made.on_shadow = co_await printed(at, path, viewdef, made.oid);
        swapped.definition = made.on_shadow;
    }
    co_await try_with(what, label, path, create_view(swapped, again.sql(), false));
    const auto found = co_await catalog::read_operators(at.conn, catalog::trees::of_view(again));
    co_await require_same_operators(what, label, made.operators, found);
    co_await at.conn.execute("DROP VIEW " + again.sql());
    co_return made;
}

namespace {

/// The views that are to be led over, after those that they stand on.
awaitable<std::vector<catalog::bound_object>> views_in_order(build_context& at) {
    std::vector<catalog::bound_object> views = bound_objects(at);
    std::erase_if(views, [](const catalog::bound_object& each) { return each.kind != "view"; });
    if (views.size() < 2) {
        co_return views;
    }
    std::vector<std::string> roots;
    for (const catalog::bound_object& each : views) {
        roots.push_back(std::to_string(each.oid));
    }
    const auto tree = co_await standing_on(at, std::move(roots));
    std::map<std::int64_t, int> places;
    for (int row = 0; row < tree.rows(); ++row) {
        places[tree.integer(row, "oid")] = row;
    }
    std::stable_sort(views.begin(), views.end(), [&](const catalog::bound_object& one, const auto& other) {
        return places[one.oid] < places[other.oid];
    });
    co_return views;
}

/// Whether it is one of `changed`, or stands on one of them, and so is made anew with it.
awaitable<bool> is_made_anew(build_context& at, std::vector<std::string> changed, std::int64_t view) {
    bool found = false;
    if (!changed.empty()) {
        const auto tree = co_await standing_on(at, std::move(changed));
        for (int row = 0; row < tree.rows(); ++row) {
            found = found || tree.integer(row, "oid") == view;
        }
    }
    co_return found;
}

}  // namespace

awaitable<void> rebind_views(rebinding& what) {
    std::vector<std::string> changed = what.views_on_overloads;
    std::vector<catalog::view> kept;
    const auto views = co_await views_in_order(what.at);
    for (const catalog::bound_object& each : views) {
        const bool decided = co_await is_made_anew(what.at, changed, each.oid);
        if (decided) {
            continue;
        }
        auto view = co_await read_for_new_table(what, each.oid, each.name);
        const bool keeps = co_await keeps_its_columns(what, view, each.name);
        if (keeps) {
            kept.push_back(std::move(view));
        } else {
            changed.push_back(std::to_string(each.oid));
        }
    }
    std::set<std::int64_t> made;
    if (!changed.empty()) {
        made = co_await make_anew(what, std::move(changed));
    }
    for (const catalog::view& view : kept) {
        if (made.count(view.oid) == 0) {  // else it stands on one of those as well
            const std::string label = "view " + view.name.display();
            plan::swap_step& step = what.into.swap.add(
                plan::stage::attach,
                {label, with_operators(view.operators.schemas, create_view(view, view.name.sql(), true))});
            step.locks.push_back(lock_view(view.name, false));
            expect_operators(what, label, catalog::trees::of_view(view.name), view.operators);
        }
    }
}

}  // namespace pgeist::dependents
