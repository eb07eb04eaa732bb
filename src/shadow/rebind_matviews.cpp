#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "rebind.hpp"
#include "sql.hpp"

// A materialized view cannot be replaced. It is built on the filled shadow shortly before the swap, with its indexes,
// and takes the old one's place in the swap.
namespace pgeist::shadow {

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
            what.into.ahead.push_back(
                {one.label, fmt::format("{} SET STORAGE {}", alter, storage_name(column.storage))});
        }
        if (column.compression != 0) {
            what.into.ahead.push_back(
                {one.label, fmt::format("{} SET COMPRESSION {}", alter, column.compression == 'l' ? "lz4" : "pglz")});
        }
        if (column.statistics) {
            what.into.ahead.push_back({one.label, fmt::format("{} SET STATISTICS {}", alter, *column.statistics)});
        }
        if (!column.options.empty()) {
            what.into.ahead.push_back({one.label, fmt::format("{} SET ({})", alter, option_list(column.options))});
        }
        if (column.comment) {
            what.into.ahead.push_back(comment_on(
                fmt::format("COLUMN {}.{}", one.made.sql(), quote_identifier(column.name)), *column.comment));
        }
        for (auto& each :
             change_rights("TABLE " + one.made.sql(), column.name, column.acl, {}, one.table.owner, true)) {
            what.into.ahead.push_back(std::move(each));
        }
    }
}

/// The rows are read with the owner's rights, as REFRESH does, not with those of the role that runs pgeist.
void fill(const rebinding& what, const matview& one) {
    const std::string owner = quote_identifier(one.table.owner);
    auto& ahead = what.into.ahead;
    ahead.push_back({one.label, fmt::format("GRANT USAGE, CREATE ON SCHEMA {} TO {}",
                                            quote_identifier(what.at.job_schema), owner)});
    ahead.push_back({one.label, fmt::format("ALTER MATERIALIZED VIEW {} OWNER TO {}", one.made.sql(), owner)});
    if (one.populated) {
        ahead.push_back({one.label, fmt::format("SET LOCAL row_security TO on; REFRESH MATERIALIZED VIEW {}; SET LOCAL "
                                                "row_security TO off",
                                                one.made.sql())});
    }
    for (const auto& index : one.table.indexes) {
        plan::index made = rebuild_index(one.table, index, one.made);
        ahead.push_back({one.label, made.create_sql});
        ahead.insert(ahead.end(), made.after.begin(), made.after.end());
    }
}

void add_all(rebinding& what, const matview& one) {
    auto& ahead = what.into.ahead;
    const std::string made = one.made.sql();
    ahead.push_back({one.label, "DROP MATERIALIZED VIEW IF EXISTS " + made});
    ahead.push_back({one.label, create_sql(one)});
    add_columns(what, one);
    fill(what, one);
    if (one.view.comment) {
        ahead.push_back(comment_on("MATERIALIZED VIEW " + made, *one.view.comment));
    }
    for (auto& each :
         rights_of_new("TABLE " + made, one.view.acl, one.view.implied_acl, one.table.owner, what.strangers)) {
        ahead.push_back(std::move(each));
    }
    const std::string name = one.view.name.sql();
    what.into.swap_views.push_back(lock_view(one.view.name, true));
    what.into.before_move.push_back({one.label, "DROP MATERIALIZED VIEW " + name});
    expect_operators(what, one.label, catalog::trees::of_view(one.view.name), one.view.operators);
    what.into.after_move.push_back({one.label, fmt::format("ALTER MATERIALIZED VIEW {} SET SCHEMA {}", made,
                                                           quote_identifier(one.view.name.schema))});
}

/// Its query runs before the swap compares the operators.
awaitable<void> require_trusted_schemas(rebinding& what, std::string name, catalog::operator_schemas schemas) {
    for (const auto& schema : schemas) {
        const auto strangers = co_await catalog::strangers_in(what.at.conn, schema, what.at.source.owner);
        if (!strangers.empty()) {
            refuse_object(
                what, name,
                fmt::format("it uses operators of schema {}, in which {} has made functions or operators that "
                            "could be taken for those of PostgreSQL",
                            schema, strangers.front()),
                "move them to another schema, or give them to the schema's owner");
        }
    }
}

/// Builds it empty on the empty shadow, and undoes that.
awaitable<void> rehearse(rebinding& what, std::size_t first) {
    std::vector<plan::statement> statements(what.into.ahead.begin() + static_cast<std::ptrdiff_t>(first),
                                            what.into.ahead.end());
    const std::size_t before = what.at.made.size();
    co_await begin_trial(what.at);
    co_await run_statements(what.at, std::move(statements));
    co_await undo_trial(what.at);
    what.at.made.resize(before);
}

}  // namespace

awaitable<void> rebind_materialized_view(rebinding& what, catalog::bound_object object) {
    const auto users = co_await catalog::names_of_dependents(what.at.conn, object.oid);
    if (!users.empty()) {
        refuse_object(what, object.name, fmt::format("{} depends on it", join(users, ", ")),
                      "drop what depends on it for the time of the run and make it again afterwards");
    }
    matview one;
    one.label = object.name;
    one.view = co_await read_for_new_table(what, object.oid, object.name);
    require_own_grants(what, object.name, one.view.acl, one.view.owner);
    co_await begin_trial(what.at);
    catalog::view query_alone = one.view;
    query_alone.options.clear();  // those of a table, not of a view
    const tried_view tried = co_await try_view(what, query_alone, object.name, "pgeist_view");
    co_await undo_trial(what.at);
    one.view.definition = tried.on_shadow;
    one.view.operators = tried.operators;
    co_await require_trusted_schemas(what, object.name, one.view.operators.schemas);
    one.table = co_await catalog::read_definition(what.at.conn, object.oid);
    const auto row = co_await what.at.conn.query("SELECT relispopulated FROM pg_class WHERE oid = $1", object.oid);
    one.populated = row.boolean(0, 0);
    one.made = {what.at.job_schema, one.view.name.name};
    const std::size_t first = what.into.ahead.size();
    add_all(what, one);
    co_await rehearse(what, first);
    what.at.warnings.push_back(
        fmt::format("{} is built anew before the swap: its rows are then those of that moment", object.name));
}

}  // namespace pgeist::shadow
