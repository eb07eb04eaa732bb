#include "pgeist/catalog/function.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* function_sql = R"(
    SELECT CASE WHEN p.prokind IN ('f', 'p', 'w') THEN pg_get_functiondef(p.oid) ELSE '' END AS definition,
           (SELECT n.nspname FROM pg_namespace n
             WHERE n.oid = p.pronamespace) AS schema, p.oid::regprocedure::text AS signature, p.prosqlbody IS NOT NULL AS has_body,
           coalesce(p.prosqlbody::text LIKE '%{{ROWMARKCLAUSE%', false) AS locks_rows,
           {extension} AS extension, {extensions} AS extensions, pg_get_userbyid(p.proowner) AS owner,
           pg_has_role(p.proowner, 'USAGE') AS owned, {acl} AS acl, {implied} AS implied_acl,
           obj_description(p.oid, 'pg_proc') AS comment,
           EXISTS (SELECT FROM pg_class c JOIN pg_type t ON t.oid = c.reltype OR t.typelem = c.reltype
                    WHERE c.oid = $2 AND (t.oid = p.prorettype
                          OR t.oid = ANY (p.proargtypes::oid[] || coalesce(p.proallargtypes, '{{}}')))) AS of_row_type,
           EXISTS (SELECT FROM pg_class c JOIN pg_type t ON t.oid = c.reltype OR t.typelem = c.reltype
                    WHERE c.oid = $2 AND t.oid = ANY (p.proargtypes)) AS takes_row_type,
           ARRAY(SELECT DISTINCT v.oid::text FROM pg_depend d JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass
                   AND w.oid = d.objid AND w.rulename = '_RETURN' JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'v'
                  WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid ORDER BY 1) AS views,
           coalesce((SELECT string_agg(pg_describe_object(d.classid, d.objid, d.objsubid), ', ') FROM pg_depend d
                       LEFT JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
                        AND w.rulename = '_RETURN' LEFT JOIN pg_class v ON v.oid = w.ev_class AND v.relkind = 'v'
                      WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid AND d.deptype <> 'i'
                        AND v.oid IS NULL), '') AS users
      FROM pg_proc p WHERE p.oid = $1)";

constexpr const char* function_labels_sql =
    "SELECT provider, label FROM pg_seclabel WHERE classoid = 'pg_proc'::regclass AND objoid = $1";

awaitable<std::vector<security_label>> labels_of(pg::connection& conn, std::int64_t oid) {
    const auto rows = co_await conn.query(function_labels_sql, oid);
    std::vector<security_label> labels;
    for (int row = 0; row < rows.rows(); ++row) {
        security_label each;
        each.provider = rows.text(row, "provider");
        each.label = rows.text(row, "label");
        labels.push_back(std::move(each));
    }
    co_return labels;
}

}  // namespace

awaitable<function> read_function(pg::connection& conn, std::int64_t oid, std::int64_t table_oid) {
    co_await conn.execute(reading_settings);
    const std::string acl = access_list_sql("p.proacl", "acldefault('f', p.proowner)");
    const std::string implied = access_list_sql("NULL::aclitem[]", "acldefault('f', p.proowner)");
    const auto rows = co_await conn.query(fmt::format(function_sql, fmt::arg("acl", acl), fmt::arg("implied", implied),
                                                      fmt::arg("extension", extension_sql("pg_proc", "p.oid")),
                                                      fmt::arg("extensions", extensions_sql("pg_proc", "p.oid"))),
                                          oid, table_oid);
    if (rows.empty()) {
        throw error(exit_code::failed, "a function was dropped while its definition was read", "try again");
    }
    function into;
    into.schema = rows.text(0, "schema");
    into.signature = rows.text(0, "signature");
    into.definition = rows.text(0, "definition");
    into.has_body = rows.boolean(0, "has_body");
    into.locks_rows = rows.boolean(0, "locks_rows");
    into.extensions = rows.array(0, "extensions");
    into.extension = rows.text(0, "extension");
    into.owner = rows.text(0, "owner");
    into.owned = rows.boolean(0, "owned");
    into.of_row_type = rows.boolean(0, "of_row_type");
    into.takes_row_type = rows.boolean(0, "takes_row_type");
    into.views = rows.array(0, "views");
    into.users = rows.text(0, "users");
    into.acl = parse_access_list(rows.text(0, "acl"));
    into.implied_acl = parse_access_list(rows.text(0, "implied_acl"));
    into.comment = rows.optional_text(0, "comment");
    into.operators = co_await read_operators(conn, trees::of_function(into.signature));
    into.labels = co_await labels_of(conn, oid);
    co_await conn.execute(session_settings(conn));
    co_return into;
}

}  // namespace pgeist::catalog
