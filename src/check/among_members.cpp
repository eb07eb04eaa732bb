#include "pgeist/check/among_members.hpp"

#include <string>

#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* policies_sql = R"(
    SELECT DISTINCT p.polname, n.nspname, c.relname, m.nspname AS read_schema, r.relname AS read_name
      FROM pg_depend d JOIN pg_policy p ON p.oid = d.objid AND p.polrelid <> d.refobjid
      JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class r ON r.oid = d.refobjid JOIN pg_namespace m ON m.oid = r.relnamespace
     WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_class'::regclass
       AND d.refobjid = ANY ($1::oid[]) AND p.polrelid = ANY ($1::oid[]) ORDER BY 2, 3, 1)";

}  // namespace

awaitable<std::vector<finding>> check_among_members(pg::connection& conn, std::vector<std::int64_t> tables) {
    const std::string all = pg::array_literal(tables);
    const auto rows = co_await conn.query(policies_sql, all);
    findings found;
    for (int row = 0; row < rows.rows(); ++row) {
        const qualified_name on{rows.text(row, "nspname"), rows.text(row, "relname")};
        const qualified_name read{rows.text(row, "read_schema"), rows.text(row, "read_name")};
        refuse(found, "among_members",
               fmt::format("policy {} on {} reads {}, and both tables are to be exchanged together",
                           display_identifier(rows.text(row, "polname")), on.display(), read.display()),
               "drop the policy, and make it again afterwards");
    }
    co_return found;
}

}  // namespace pgeist::check
