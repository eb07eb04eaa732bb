#include "rebind.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::shadow {

namespace {

// A view's dependencies are those of the rule that makes it one.
constexpr const char* columns_used_sql = R"(
    SELECT DISTINCT d.refobjsubid FROM pg_depend d
     WHERE d.classid = $1::text::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $3 AND d.refobjsubid > 0
       AND d.objid IN (SELECT $2::bigint::oid
                       UNION SELECT oid FROM pg_rewrite WHERE ev_class = $2::bigint::oid AND $1::text = 'pg_rewrite'))";

}  // namespace

std::string home_path(const site& at) { return quote_identifier(at.source.name.schema); }

std::string shadow_path(const site& at) {
    return fmt::format("{}, {}", quote_identifier(at.job_schema), home_path(at));
}

plan::statement at_home(const rebinding& what, std::string label, const std::string& sql) {
    return {std::move(label), fmt::format("SET LOCAL search_path TO {}; {}; SET LOCAL search_path TO pg_catalog",
                                          home_path(what.at), sql)};
}

awaitable<pg::result> query_at_home(site& at, std::string sql, std::int64_t oid) {
    co_await at.conn.execute(catalog::reading_settings);
    co_await at.conn.execute("SET LOCAL search_path TO " + home_path(at));
    pg::result rows = co_await at.conn.query(std::move(sql), oid);
    co_await at.conn.execute(catalog::session_settings);
    co_return rows;
}

awaitable<void> require_same_columns(rebinding& what, std::string catalog_name, catalog::bound_object object) {
    const auto rows = co_await what.at.conn.query(columns_used_sql, catalog_name, object.oid, what.at.source.oid);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto* column = what.at.source.find_column(static_cast<int>(rows.integer(row, 0)));
        if (column == nullptr) {
            continue;
        }
        const catalog::column* kept = kept_column(what.at, what.after, column->attnum);
        if (kept == nullptr || kept->name != column->name) {
            refuse_object(what, object.name,
                          fmt::format("it uses column {}, which is {}", display_identifier(column->name),
                                      kept == nullptr ? "dropped" : "renamed"),
                          fmt::format("drop {} for the time of the run and make it again afterwards", object.name));
        }
    }
}

void lock_too(rebinding& what, const qualified_name& table) {
    auto& locks = what.into.swap_locks;
    const bool there = std::any_of(locks.begin(), locks.end(), [&](const qualified_name& each) {
        return each.schema == table.schema && each.name == table.name;
    });
    if (!there) {
        locks.push_back(table);
    }
}

void refuse_object(const rebinding& what, const std::string& name, const std::string& reason, const std::string& hint) {
    throw error(exit_code::refused,
                fmt::format("{} cannot be led to the new {}: {}", name, what.at.source.name.display(), reason), hint);
}

awaitable<void> plan_bound_objects(site& at, const catalog::table& after, plan::blueprint& into) {
    rebinding what{at, after, into};
    for (const catalog::bound_object& each : at.source.bound) {
        if (each.kind == "function" || each.kind == "procedure") {
            co_await rebind_function(what, each);
        } else if (each.kind == "policy") {
            co_await rebind_policy(what, each);
        } else if (each.kind == "default value") {
            co_await rebind_default(what, each);
        } else if (each.kind == "trigger") {
            co_await rebind_trigger(what, each);
        } else if (each.kind == "materialized view") {
            co_await rebind_materialized_view(what, each);
        } else if (each.kind == "rule") {
            co_await rebind_rule(what, each);
        }
    }
    co_await rebind_views(what);
}

}  // namespace pgeist::shadow
