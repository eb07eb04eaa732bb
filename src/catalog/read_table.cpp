#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* table_sql = R"(
    SELECT c.oid, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS printed_name,
           c.relkind, c.relpersistence, pg_get_userbyid(c.relowner) AS owner,
           coalesce(am.amname, '') AS access_method, coalesce(ts.spcname, '') AS tablespace,
           coalesce(c.reloptions, '{{}}') AS options, coalesce(t.reloptions, '{{}}') AS toast_options,
           c.reltoastrelid <> 0 AS has_toast_table, c.relispartition,
           (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) FROM pg_inherits i
             WHERE i.inhrelid = c.oid) AS parents,
           EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS has_children,
           c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.reloftype,
           {extension} AS extension,
           {acl} AS acl, obj_description(c.oid, 'pg_class') AS comment,
           {type_acl} AS type_acl, obj_description(y.oid, 'pg_type') AS type_comment,
           (SELECT a.typname FROM pg_type a WHERE a.oid = y.typarray) AS array_type,
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
             AND NOT row_security_active(c.oid) AS readable,
           coalesce(pg_table_size(c.oid), 0) AS table_bytes, coalesce(pg_indexes_size(c.oid), 0) AS index_bytes
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_am am ON am.oid = c.relam LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace
      LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_type y ON y.oid = c.reltype
     WHERE c.oid = $1)";

table read_table_row(const pg::result& rows) {
    table into;
    into.oid = rows.integer(0, "oid");
    into.name.schema = rows.text(0, "nspname");
    into.name.name = rows.text(0, "relname");
    into.printed_name = rows.text(0, "printed_name");
    into.kind = read_char(rows, 0, "relkind");
    into.persistence = read_char(rows, 0, "relpersistence");
    into.owner = rows.text(0, "owner");
    into.access_method = rows.text(0, "access_method");
    into.tablespace = rows.text(0, "tablespace");
    into.options = rows.array(0, "options");
    into.toast_options = rows.array(0, "toast_options");
    into.has_toast_table = rows.boolean(0, "has_toast_table");
    into.is_partition = rows.boolean(0, "relispartition");
    into.parents = rows.text(0, "parents");
    into.has_children = rows.boolean(0, "has_children");
    into.row_security = rows.boolean(0, "relrowsecurity");
    into.force_row_security = rows.boolean(0, "relforcerowsecurity");
    into.replica_identity = read_char(rows, 0, "relreplident");
    into.of_type = rows.integer(0, "reloftype");
    into.extension = rows.text(0, "extension");
    into.acl = parse_access_list(rows.text(0, "acl"));
    into.comment = rows.optional_text(0, "comment");
    into.type_acl = parse_access_list(rows.text(0, "type_acl"));
    into.type_comment = rows.optional_text(0, "type_comment");
    into.array_type = rows.text(0, "array_type");
    into.table_bytes = rows.integer(0, "table_bytes");
    into.index_bytes = rows.integer(0, "index_bytes");
    return into;
}

/// The planner's own estimate: it corrects reltuples by the size the table has now, and copes with tables never
/// analysed.
awaitable<std::int64_t> estimate_rows(pg::connection& conn, qualified_name name) {
    const auto rows = co_await conn.execute("EXPLAIN (FORMAT JSON) SELECT FROM ONLY " + name.sql());
    const auto plan = json_from(rows.view(0, 0));
    const auto& estimate = plan.at(0).at("Plan").at("Plan Rows");
    co_return estimate.to_number<std::int64_t>();
}

/// Columns, indexes and constraints; all of the definition; what there is to know besides.
enum class extent { shape, definition, whole };

awaitable<table> read_parts(pg::connection& conn, std::int64_t oid, extent wanted) {
    const pg::connection::kept_plans keep(conn);
    std::string digest;
    if (wanted != extent::definition) {
        digest = co_await fingerprint(conn, oid);
    }
    const std::string acl = access_list_sql("c.relacl", "acldefault('r', c.relowner)");
    const std::string type_acl = access_list_sql("y.typacl", "acldefault('T', c.relowner)");
    const auto rows = co_await conn.query(fmt::format(table_sql, fmt::arg("acl", acl), fmt::arg("type_acl", type_acl),
                                                      fmt::arg("extension", extension_sql("pg_class", "c.oid"))),
                                          oid);
    if (rows.empty()) {
        throw error(exit_code::failed, "the table was dropped while its definition was read");
    }
    table into = read_table_row(rows);
    into.fingerprint = std::move(digest);
    into.columns = co_await read_columns(conn, oid);
    into.indexes = co_await read_indexes(conn, oid);
    into.constraints = co_await read_constraints(conn, oid);
    if (wanted == extent::shape) {
        co_return into;
    }
    into.inherits = co_await read_parents(conn, oid);
    into.foreign_keys = co_await read_foreign_keys(conn, oid, foreign_keys_of::own);
    into.referenced_by = co_await read_foreign_keys(conn, oid, foreign_keys_of::incoming);
    into.inherited_foreign_keys = co_await read_foreign_keys(conn, oid, foreign_keys_of::parent);
    into.ancestors_referenced_by = co_await read_foreign_keys(conn, oid, foreign_keys_of::ancestors_incoming);
    co_await read_triggers(conn, into);
    into.sequences = co_await read_sequences(conn, oid);
    into.policies = co_await read_policies(conn, oid);
    into.extended_statistics = co_await read_statistics(conn, oid);
    into.publications = co_await read_publications(conn, oid);
    into.rules = co_await read_rules(conn, oid);
    into.security_labels = co_await read_security_labels(conn, oid);
    if (wanted == extent::definition) {
        co_return into;
    }
    co_await read_dependents(conn, into);
    if (rows.boolean(0, "readable")) {
        into.estimated_rows = co_await estimate_rows(conn, into.name);
    }
    co_return into;
}

}  // namespace

awaitable<table> read_table(pg::connection& conn, std::int64_t oid) {
    co_await conn.execute(reading_settings);
    table into = co_await read_parts(conn, oid, extent::whole);
    co_await conn.execute(session_settings(conn));
    co_return into;
}

awaitable<std::vector<std::string>> names_of_dependents(pg::connection& conn, std::int64_t oid) {
    table of;
    of.oid = oid;
    co_await read_dependents(conn, of);
    std::vector<std::string> names;
    for (const auto& each : of.bound) {
        names.push_back(each.name);
    }
    for (const auto& each : of.dependents) {
        names.push_back(each.name);
    }
    co_return names;
}

awaitable<table> read_definition(pg::connection& conn, std::int64_t oid) {
    co_await conn.execute(reading_settings);
    table into = co_await read_parts(conn, oid, extent::definition);
    co_await conn.execute(session_settings(conn));
    co_return into;
}

awaitable<table> read_shape(pg::connection& conn, std::int64_t oid) {
    co_await conn.execute(reading_settings);
    table into = co_await read_parts(conn, oid, extent::shape);
    co_await conn.execute(session_settings(conn));
    co_return into;
}

}  // namespace pgeist::catalog
