#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* statistics_rights_check = "statistics_rights";

constexpr const char* statistics_rights_sql = R"(
    SELECT pg_has_role(s.stxowner, 'USAGE') AS owned, has_schema_privilege(s.stxnamespace, 'CREATE') AS may_move
      FROM pg_statistic_ext s WHERE s.oid = $1)";

}  // namespace

awaitable<void> check_statistics_rights(const subject& what, findings& into) {
    for (const auto& each : what.source->extended_statistics) {
        const auto rows = co_await what.conn.query(statistics_rights_sql, each.oid);
        if (!rows.empty() && !(rows.boolean(0, "owned") && rows.boolean(0, "may_move"))) {
            refuse(into, statistics_rights_check,
                   fmt::format("statistics {} must be made anew, and role {} may not do that", each.name.display(),
                               quote_identifier(what.conn.user())),
                   fmt::format("connect as a member of {} that may create objects in schema {}",
                               quote_identifier(each.owner), display_identifier(each.name.schema)));
        }
    }
}

}  // namespace pgeist::check
