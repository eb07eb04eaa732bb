#include "pgeist/catalog/view.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* view_sql = R"(
    SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner) AS owner, pg_has_role(c.relowner, 'USAGE') AS owned,
           coalesce(c.reloptions, '{{}}') AS options, rtrim(pg_get_viewdef(c.oid), ';') AS definition,
           {acl} AS acl, {implied} AS implied_acl, obj_description(c.oid, 'pg_class') AS comment,
           EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename <> '_RETURN') AS has_rules,
           {extension} AS extension
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1)";

constexpr const char* view_columns_sql = R"(
    SELECT a.attname, {acl} AS acl, pg_get_expr(d.adbin, d.adrelid) AS default_expression,
           {operator_schemas} AS operator_schemas, col_description(a.attrelid, a.attnum) AS comment
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)";

awaitable<std::vector<view_column>> columns_of(pg::connection& conn, std::int64_t oid) {
    const std::string acl = access_list_sql("a.attacl", "acldefault('c', c.relowner)");
    const auto rows =
        co_await conn.query(fmt::format(view_columns_sql, fmt::arg("acl", acl),
                                        fmt::arg("operator_schemas", operator_schemas_sql("d.adbin::text"))),
                            oid);
    std::vector<view_column> columns;
    for (int row = 0; row < rows.rows(); ++row) {
        view_column each;
        each.name = rows.text(row, "attname");
        each.acl = parse_access_list(rows.text(row, "acl"));
        each.default_expression = rows.optional_text(row, "default_expression");
        each.operator_schemas = rows.array(row, "operator_schemas");
        each.comment = rows.optional_text(row, "comment");
        columns.push_back(std::move(each));
    }
    co_return columns;
}

}  // namespace

awaitable<view> read_view(pg::connection& conn, std::int64_t oid) {
    co_await conn.execute(reading_settings);
    const std::string acl = access_list_sql("c.relacl", "acldefault('r', c.relowner)");
    const std::string implied = access_list_sql("NULL::aclitem[]", "acldefault('r', c.relowner)");
    const auto rows = co_await conn.query(fmt::format(view_sql, fmt::arg("acl", acl), fmt::arg("implied", implied),
                                                      fmt::arg("extension", extension_sql("pg_class", "c.oid"))),
                                          oid);
    if (rows.empty()) {
        throw error(exit_code::failed, "a view was dropped while its definition was read", "try again");
    }
    view into;
    into.oid = oid;
    into.name.schema = rows.text(0, "nspname");
    into.name.name = rows.text(0, "relname");
    into.owner = rows.text(0, "owner");
    into.owned = rows.boolean(0, "owned");
    into.extension = rows.text(0, "extension");
    into.options = rows.array(0, "options");
    into.definition = rows.text(0, "definition");
    into.acl = parse_access_list(rows.text(0, "acl"));
    into.implied_acl = parse_access_list(rows.text(0, "implied_acl"));
    into.comment = rows.optional_text(0, "comment");
    into.has_rules = rows.boolean(0, "has_rules");
    into.columns = co_await columns_of(conn, oid);
    into.triggers = co_await triggers_of(conn, oid);
    into.operators = co_await read_operators(conn, trees::of_view(into.name));
    co_await conn.execute(session_settings(conn));
    co_return into;
}

}  // namespace pgeist::catalog
