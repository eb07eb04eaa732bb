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

awaitable<table> read_parts(pg::inquiry& ask, std::int64_t oid, extent wanted) {
    const pg::connection::kept_plans keep(ask.session());
    std::string digest;
    if (wanted != extent::definition) {
        digest = co_await fingerprint(ask.session(), oid);
    }
    const std::string acl = access_list_sql("c.relacl", "acldefault('r', c.relowner)");
    const std::string type_acl = access_list_sql("y.typacl", "acldefault('T', c.relowner)");
    const auto rows = co_await ask.ask(fmt::format(table_sql, fmt::arg("acl", acl), fmt::arg("type_acl", type_acl),
                                                   fmt::arg("extension", extension_sql("pg_class", "c.oid"))),
                                       oid);
    if (rows.empty()) {
        throw error(exit_code::failed, "the table was dropped while its definition was read");
    }
    table into = read_table_row(rows);
    into.fingerprint = std::move(digest);
    into.columns = co_await read_columns(ask, oid);
    into.indexes = co_await read_indexes(ask, oid);
    into.constraints = co_await read_constraints(ask, oid);
    if (wanted == extent::shape) {
        co_return into;
    }
    into.inherits = co_await read_parents(ask, oid);
    into.foreign_keys = co_await read_foreign_keys(ask, oid, foreign_keys_of::own);
    into.referenced_by = co_await read_foreign_keys(ask, oid, foreign_keys_of::incoming);
    into.inherited_foreign_keys = co_await read_foreign_keys(ask, oid, foreign_keys_of::parent);
    into.ancestors_referenced_by = co_await read_foreign_keys(ask, oid, foreign_keys_of::ancestors_incoming);
    co_await read_triggers(ask, into);
    into.sequences = co_await read_sequences(ask, oid);
    into.policies = co_await read_policies(ask, oid);
    into.extended_statistics = co_await read_statistics(ask, oid);
    into.publications = co_await read_publications(ask, oid);
    into.rules = co_await read_rules(ask, oid);
    into.security_labels = co_await read_security_labels(ask, oid);
    if (wanted == extent::definition) {
        co_return into;
    }
    co_await read_dependents(ask, into);
    if (rows.boolean(0, "readable")) {
        into.estimated_rows = co_await estimate_rows(ask.session(), into.name);
    }
    co_return into;
}

/// Each question is asked about all of them at once.
awaitable<std::vector<table>> read_all(pg::connection& conn, std::vector<std::int64_t> oids, extent wanted) {
    co_await conn.execute(reading_settings);
    pg::inquiry ask(conn, oids);
    std::vector<table> all;
    for (const std::int64_t each : oids) {
        table one = co_await read_parts(ask, each, wanted);
        all.push_back(std::move(one));
    }
    co_await conn.execute(session_settings(conn));
    co_return all;
}

awaitable<table> read_one(pg::connection& conn, std::int64_t oid, extent wanted) {
    std::vector<table> all = co_await read_all(conn, std::vector<std::int64_t>(1, oid), wanted);
    co_return std::move(all.front());
}

}  // namespace

awaitable<table> read_table(pg::connection& conn, std::int64_t oid) { return read_one(conn, oid, extent::whole); }

awaitable<std::vector<std::string>> names_of_dependents(pg::inquiry& ask, std::int64_t oid) {
    table of;
    of.oid = oid;
    co_await read_dependents(ask, of);
    std::vector<std::string> names;
    for (const auto& each : of.bound) {
        names.push_back(each.name);
    }
    for (const auto& each : of.dependents) {
        names.push_back(each.name);
    }
    co_return names;
}

awaitable<std::vector<std::string>> names_of_dependents(pg::connection& conn, std::int64_t oid) {
    pg::inquiry ask(conn, std::vector<std::int64_t>(1, oid));
    auto names = co_await names_of_dependents(ask, oid);
    co_return names;
}

awaitable<table> read_definition(pg::connection& conn, std::int64_t oid) {
    return read_one(conn, oid, extent::definition);
}

awaitable<std::vector<table>> read_definitions(pg::connection& conn, std::vector<std::int64_t> oids) {
    return read_all(conn, std::move(oids), extent::definition);
}

awaitable<table> read_shape(pg::connection& conn, std::int64_t oid) { return read_one(conn, oid, extent::shape); }

}  // namespace pgeist::catalog
