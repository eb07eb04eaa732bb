#include "pgeist/catalog/reader.hpp"

namespace pgeist::catalog {

namespace {

// Every name is qualified: this runs under the user's own search_path.
constexpr const char* find_sql = R"(
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence
      FROM (SELECT pg_catalog.to_regclass($1) AS oid) AS found
      JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) found.oid
      JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace)";

std::string lookup_name(const qualified_name& name) {
    return name.schema.empty() ? quote_identifier(name.name) : name.sql();
}

}  // namespace

awaitable<std::optional<relation>> find_table(pg::connection& conn, qualified_name name) {
    const std::string lookup = lookup_name(name);
    if (name.schema.empty()) {
        co_await conn.execute("SET LOCAL search_path TO DEFAULT");
    }
    const auto rows = co_await conn.query(find_sql, lookup);
    if (name.schema.empty()) {
        co_await conn.execute("SET LOCAL search_path TO pg_catalog");
    }
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
