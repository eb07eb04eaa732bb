#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

// Role 0 in polroles is PUBLIC, and then the only one.
constexpr const char* policies_sql = R"(
    SELECT p.polname, p.polcmd, p.polpermissive,
           ARRAY(SELECT pg_get_userbyid(r) FROM unnest(p.polroles) WITH ORDINALITY AS each(r, place) WHERE r <> 0
                  ORDER BY place) AS roles, {operator_schemas} AS operator_schemas,
           {operators} AS operators,
           pg_get_expr(p.polqual, p.polrelid) AS using_expression,
           pg_get_expr(p.polwithcheck, p.polrelid) AS check_expression, obj_description(p.oid, 'pg_policy') AS comment
      FROM pg_policy p WHERE p.polrelid = $1 ORDER BY p.oid)";

}  // namespace

awaitable<std::vector<policy>> read_policies(pg::inquiry& ask, std::int64_t table_oid) {
    const std::string tree = "concat(p.polqual::text, p.polwithcheck::text)";
    const auto rows = co_await ask.ask(fmt::format(policies_sql, fmt::arg("operators", used_operators_sql(tree)),
                                                   fmt::arg("operator_schemas", operator_schemas_sql(tree))),
                                       table_oid);
    std::vector<policy> policies;
    for (int row = 0; row < rows.rows(); ++row) {
        policy each;
        each.name = rows.text(row, "polname");
        each.command = read_char(rows, row, "polcmd");
        each.permissive = rows.boolean(row, "polpermissive");
        each.roles = rows.array(row, "roles");
        each.operator_schemas = rows.array(row, "operator_schemas");
        each.operators = rows.array(row, "operators");
        each.using_expression = rows.optional_text(row, "using_expression");
        each.check_expression = rows.optional_text(row, "check_expression");
        each.comment = rows.optional_text(row, "comment");
        policies.push_back(std::move(each));
    }
    co_return policies;
}

}  // namespace pgeist::catalog
