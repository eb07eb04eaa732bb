#include "pgeist/catalog/reader.hpp"

namespace pgeist::catalog {

namespace {

// By the catalogs, which needs no right on the schema: whoever lacks one is told so by a check.
constexpr const char* qualified_sql = R"(
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2)";

// Every name is qualified: this runs under the user's own search_path.
constexpr const char* find_sql = R"(
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence
      FROM (SELECT pg_catalog.to_regclass($1) AS oid) AS found
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) found.oid
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace)";

awaitable<pg::result> look_up(pg::connection& conn, qualified_name name) {
    if (!name.schema.empty()) {
        auto by_schema = co_await conn.query(qualified_sql, name.schema, name.name);
        co_return by_schema;
    }
    co_await conn.execute("SET LOCAL search_path TO DEFAULT");
    auto by_path = co_await conn.query(find_sql, quote_identifier(name.name));
    co_await conn.execute("SET LOCAL search_path TO pg_catalog");
    co_return by_path;
}

}  // namespace

awaitable<std::optional<relation>> find_table(pg::connection& conn, qualified_name name) {
    const auto rows = co_await look_up(conn, std::move(name));
    std::optional<relation> found;
    if (!rows.empty()) {
        found.emplace();
        found->oid = rows.integer(0, "oid");
        found->name.schema = rows.text(0, "nspname");
        found->name.name = rows.text(0, "relname");
        found->kind = rows.view(0, rows.column("relkind"))[0];
        found->persistence = rows.view(0, rows.column("relpersistence"))[0];
    }
    co_return found;
}

}  // namespace pgeist::catalog
