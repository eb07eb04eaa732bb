#include <set>

#include <fmt/format.h>

#include "checks.hpp"
#include "pgeist/core/identifier.hpp"

namespace pgeist::check {

namespace {

constexpr const char* name = "operator_schemas";

// Found by name there: operators, and functions of which there is one in pg_catalog, whose arguments may fit less well.
constexpr const char* strangers_sql = R"(
    SELECT DISTINCT quote_ident(pg_get_userbyid(owner)) AS owner
      FROM (SELECT o.oprowner FROM pg_operator o WHERE o.oprnamespace = to_regnamespace($1)
             UNION ALL
            SELECT p.proowner FROM pg_proc p WHERE p.pronamespace = to_regnamespace($1)
               AND p.proname IN (SELECT b.proname FROM pg_proc b WHERE b.pronamespace = 'pg_catalog'::regnamespace)
           ) AS all_of_them(owner)
      JOIN pg_roles r ON r.oid = owner
     WHERE NOT r.rolsuper AND r.rolname NOT IN (current_user, $2)
       AND owner NOT IN (SELECT nspowner FROM pg_namespace WHERE oid = to_regnamespace($1)
                          UNION ALL SELECT datdba FROM pg_database WHERE datname = current_database())
     ORDER BY 1)";

}  // namespace

// Where the server prints an expression without an operator in it, the expression is read again with the operator's
// schema in the search_path. Whoever can make functions there could have his own taken for the right ones.
awaitable<void> check_operator_schemas(const subject& what, findings& into) {
    std::set<std::string> schemas;
    const auto add = [&](const auto& objects) {
        for (const auto& each : objects) {
            schemas.insert(each.operator_schemas.begin(), each.operator_schemas.end());
        }
    };
    add(what.source->indexes);
    add(what.source->constraints);
    add(what.source->triggers);
    add(what.source->policies);
    add(what.source->extended_statistics);
    for (const auto& schema : schemas) {
        const auto rows = co_await what.conn.query(strangers_sql, schema, what.source->owner);
        for (int row = 0; row < rows.rows(); ++row) {
            refuse(into, name,
                   fmt::format("expressions of the table use operators of schema {}, in which {} has made functions or "
                               "operators that could be taken for those of PostgreSQL",
                               schema, rows.text(row, "owner")),
                   "move them to another schema, or give them to the schema's owner");
        }
    }
}

}  // namespace pgeist::check
