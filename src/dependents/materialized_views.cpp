#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/sql/index.hpp"
#include "pgeist/sql/rights.hpp"
#include "pgeist/sql/table.hpp"
#include "rebinding.hpp"

// A materialized view cannot be replaced. It is built on the filled shadow shortly before the swap, with its indexes,
// and takes the old one's place in the swap.
namespace pgeist::dependents {

namespace {

/// What the builders of its statements need to know.
struct matview {
    catalog::table table;  ///< as storage: columns, indexes, owner, rights
    catalog::view view;
    bool populated = true;
    qualified_name made;  ///< where it is built, in the job's schema
    std::string label;
};

/// The letters of pg_attribute.attstorage.
std::string storage_name(char storage) {
    switch (storage) {
        case 'e':
            return "EXTERNAL";
        case 'm':
            return "MAIN";
        case 'x':
            return "EXTENDED";
        default:
            return "PLAIN";
    }
}

std::string create_sql(const matview& one) {
    const catalog::table& of = one.table;
    std::string sql =
        fmt::format("CREATE MATERIALIZED VIEW {} USING {}{}{} AS {} WITH NO DATA", one.made.sql(),
                    quote_identifier(of.access_method), storage_parameters(of),
                    of.tablespace.empty() ? "" : " TABLESPACE " + quote_identifier(of.tablespace), one.view.definition);
    return with_operators(one.view.operators.schemas, std::move(sql));
}

/// Storage, statistics targets, comments and rights of its columns.
void add_columns(const rebinding& what, const matview& one) {
    for (const auto& column : one.table.columns) {
        const std::string alter =
            fmt::format("ALTER MATERIALIZED VIEW {} ALTER COLUMN {}", one.made.sql(), quote_identifier(column.name));
        if (column.storage != 'p') {
            what.into.swap.add(plan::stage::ahead,
                               {one.label, fmt::format("{} SET STORAGE {}", alter, storage_name(column.storage))});
        }
        if (column.compression != 0) {
            what.into.swap.add(
                plan::stage::ahead,
                {one.label, fmt::format("{} SET COMPRESSION {}", alter, column.compression == 'l' ? "lz4" : "pglz")});
        }
        if (column.statistics) {
            what.into.swap.add(plan::stage::ahead,
                               {one.label, fmt::format("{} SET STATISTICS {}", alter, *column.statistics)});
        }
        if (!column.options.empty()) {
            what.into.swap.add(plan::stage::ahead,
                               {one.label, fmt::format("{} SET ({})", alter, option_list(column.options))});
        }
        if (column.comment) {
            what.into.swap.add(plan::stage::ahead,
                               comment_on(fmt::format("COLUMN {}.{}", one.made.sql(), quote_identifier(column.name)),
                                          *column.comment));
        }
        for (auto& each :
             change_rights("TABLE " + one.made.sql(), column.name, column.acl, {}, one.table.owner, true)) {
            what.into.swap.add(plan::stage::ahead, std::move(each));
        }
    }
}

/// Fails with the object's name where the statement before it has read other operators than it should: the query, and
/// the expressions of its indexes, must not run with the owner's rights then.
plan::statement require_operators(const std::string& label, const std::string& tree,
                                  const catalog::used_operators& wanted) {
    return {label, fmt::format("SELECT CAST(CASE WHEN {} THEN '1' ELSE {} END AS pg_catalog.int4)",
                               catalog::same_operators_sql(tree, wanted),
                               quote_literal(label + " would use other operators or functions than before"))};
}

/// The rows are read with the owner's rights, as REFRESH does, not with those of the role that runs pgeist.
void give_to_owner(const rebinding& what, const matview& one) {
    const std::string owner = quote_identifier(one.table.owner);
    what.into.swap.add(plan::stage::ahead, {one.label, fmt::format("GRANT USAGE, CREATE ON SCHEMA {} TO {}",
                                                                   quote_identifier(what.at.job_schema), owner)});
    what.into.swap.add(plan::stage::ahead,
                       {one.label, fmt::format("ALTER MATERIALIZED VIEW {} OWNER TO {}", one.made.sql(), owner)});
}

/// Before there are rows to evaluate them for: REFRESH builds what is there.
void add_indexes(const rebinding& what, const matview& one) {
    for (const auto& index : one.table.indexes) {
        plan::index made = rebuild_index(one.table, index, one.made);
        what.into.swap.add(plan::stage::ahead, {one.label, made.create_sql});
        what.into.swap.add_all(plan::stage::ahead, made.after);
    }
}

/// Once all of them are made and it is certain what they mean.
void fill(const rebinding& what, const matview& one) {
    if (one.populated) {
        what.into.swap.add(
            plan::stage::ahead,
            {one.label, fmt::format("SET LOCAL row_security TO on; {}; REFRESH MATERIALIZED VIEW {}; SET LOCAL "
                                    "row_security TO off; SET LOCAL array_nulls TO on",
                                    what.at.conn.profile().set_local("array_nulls"), one.made.sql())});
    }
}

void add_all(rebinding& what, const matview& one, const statements& create) {
    const std::string made = one.made.sql();
    what.into.swap.add_all(plan::stage::ahead, create);
    what.into.swap.add(plan::stage::ahead,
                       require_operators(one.label, catalog::trees::of_view(one.made), one.view.operators));
    add_columns(what, one);
    give_to_owner(what, one);
    add_indexes(what, one);
    if (one.view.comment) {
        what.into.swap.add(plan::stage::ahead, comment_on("MATERIALIZED VIEW " + made, *one.view.comment));
    }
    what.into.swap.add_all(plan::stage::ahead, rights_of_new("TABLE " + made, one.view.acl, one.view.implied_acl,
                                                             one.table.owner, what.strangers));
    expect_operators(what, one.label, catalog::trees::of_view(one.view.name), one.view.operators);
    what.into.swap.add(plan::stage::attach, {one.label, fmt::format("ALTER MATERIALIZED VIEW {} SET SCHEMA {}", made,
                                                                    quote_identifier(one.view.name.schema))});
}

/// Adds a look at what each index means, of which nothing has been evaluated before it is filled.
awaitable<void> watch_indexes(rebinding& what, const matview& one) {
    for (const auto& index : one.table.indexes) {
        const std::string label = fmt::format("index {} of {}", display_identifier(index.name), one.label);
        const qualified_name own{one.view.name.schema, index.name};
        const std::string tree = catalog::trees::of_index({one.made.schema, index.name});
        auto before = co_await catalog::read_operators(what.at.conn, catalog::trees::of_index(own));
        const auto made = co_await catalog::read_operators(what.at.conn, tree);
        auto after = made;
        if (what.retyped) {  // the server's own may be others then
            const auto is_servers = [](const std::string& oid) { return !catalog::is_of_users(oid); };
            std::erase_if(before.oids, is_servers);
            std::erase_if(after.oids, is_servers);
        }
        co_await require_same_operators(what, label, std::move(before), std::move(after));
        what.into.swap.add(plan::stage::ahead, require_operators(label, tree, made));
    }
}

/// Builds them empty on the empty shadow, and undoes that.
awaitable<void> rehearse(rebinding& what, const std::vector<matview>& all) {
    const std::size_t before = what.at.made.size();
    co_await begin_trial(what.at);
    co_await run_statements(what.at, what.into.swap.statements(plan::stage::ahead));
    for (const auto& one : all) {
        co_await watch_indexes(what, one);
    }
    co_await undo_trial(what.at);
    what.at.made.resize(before);
}

/// Tries its query on the shadow and on those that were tried before it, where it stays until the caller rolls back.
awaitable<matview> try_one(rebinding& what, std::int64_t oid, std::string label) {
    matview one;
    one.label = label;
    one.view = co_await read_for_new_table(what, oid, label);
    require_own_grants(what, label, one.view.acl, one.view.owner);
    catalog::view query_alone = one.view;
    query_alone.options.clear();  // those of a table, not of a view
    const tried_view tried = co_await try_view(what, query_alone, label, one.view.name.name);
    one.view.definition = tried.on_shadow;
    one.view.operators = tried.operators;
    co_await tell_other_types(what, label, oid, tried.oid);
    one.table = co_await catalog::read_definition(what.at.conn, oid);
    const auto row = co_await what.at.conn.query("SELECT relispopulated FROM pg_class WHERE oid = $1", oid);
    one.populated = row.boolean(0, 0);
    one.made = {what.at.job_schema, one.view.name.name};
    co_return one;
}

/// A plain view on one of them would have to be made anew as well.
void require_materialized(const rebinding& what, const pg::result& tree) {
    for (int row = 0; row < tree.rows(); ++row) {
        if (tree.text(row, "relkind") != "m") {
            refuse_object(what, tree.text(row, "name"), "it stands on a materialized view, which is made anew",
                          "drop it for the time of the run and make it again afterwards");
        }
    }
}

/// Whatever else depends on one of them.
awaitable<void> require_no_other_users(rebinding& what, const pg::result& tree) {
    std::vector<std::string> names;
    for (int row = 0; row < tree.rows(); ++row) {
        names.push_back(tree.text(row, "name"));
    }
    for (int row = 0; row < tree.rows(); ++row) {
        auto users = co_await catalog::names_of_dependents(what.at.conn, tree.integer(row, "oid"));
        // Those that stand on it find it by its bare name, in the job's schema.
        if (tree.text(row, "schema") == what.at.source.name.schema) {
            std::erase_if(users, [&](const std::string& user) {
                return std::find(names.begin(), names.end(), user) != names.end();
            });
        }
        if (!users.empty()) {
            refuse_object(what, tree.text(row, "name"), fmt::format("{} depends on it", join(users, ", ")),
                          "drop what depends on it for the time of the run and make it again afterwards");
        }
    }
}

/// After those that it stands on.
awaitable<statements> create_statements(rebinding& what, const matview& one) {
    statements create{{one.label, create_sql(one)}};
    if (one.table.array_type != "_" + one.made.name) {
        co_await begin_trial(what.at);
        co_await try_statements(what.at, what.into.swap.statements(plan::stage::ahead),
                                "cannot rebuild {} on a copy of {}");
        create = co_await with_array_type(what.at, create, one.made, one.table.array_type);
        co_await undo_trial(what.at);
    }
    co_return create;
}

}  // namespace

awaitable<void> rebind_materialized_views(rebinding& what) {
    std::vector<std::string> roots;
    for (const catalog::bound_object& each : bound_objects(what.at)) {
        if (each.kind == "materialized view") {
            roots.push_back(std::to_string(each.oid));
        }
    }
    if (roots.empty()) {
        co_return;
    }
    const auto tree = co_await standing_on(what.at, std::move(roots));
    require_materialized(what, tree);
    co_await require_no_other_users(what, tree);
    std::vector<matview> all;
    std::vector<std::string> made;
    std::vector<std::string> old;
    co_await begin_trial(what.at);
    for (int row = 0; row < tree.rows(); ++row) {
        auto one = co_await try_one(what, tree.integer(row, "oid"), tree.text(row, "name"));
        made.push_back(one.made.sql());
        old.push_back(one.view.name.sql());
        all.push_back(std::move(one));
    }
    co_await undo_trial(what.at);
    what.into.swap.add(plan::stage::ahead,
                       {"materialized views", "DROP MATERIALIZED VIEW IF EXISTS " + join(made, ", ")});
    plan::swap_step& drop =
        what.into.swap.add(plan::stage::detach, {"materialized views", "DROP MATERIALIZED VIEW " + join(old, ", ")});
    // Who reads a view locks it before those it stands on.
    for (auto one = all.rbegin(); one != all.rend(); ++one) {
        drop.locks.push_back(lock_view(one->view.name, true));
    }
    for (const auto& one : all) {
        const auto create = co_await create_statements(what, one);
        add_all(what, one, create);
        what.at.warnings.push_back(
            fmt::format("{} is built anew before the swap: its rows are then those of that moment", one.label));
    }
    co_await rehearse(what, all);
    for (const auto& one : all) {
        fill(what, one);
    }
}

}  // namespace pgeist::dependents
