#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* database_rights_check = "rights";

constexpr const char* database_rights_sql = R"(
    SELECT current_user AS role, has_database_privilege(current_database(), 'CREATE') AS may_create,
           coalesce((SELECT has_schema_privilege(oid, 'USAGE') FROM pg_namespace WHERE nspname = 'pgeist'), true) AS may_use,
           pg_has_role('pg_read_all_stats', 'USAGE') AS sees_sessions)";

}  // namespace

awaitable<void> check_database_rights(const subject& what, findings& into) {
    const auto rows = co_await what.conn.query(database_rights_sql);
    const std::string role = quote_identifier(rows.text(0, "role"));
    if (!rows.boolean(0, "may_create")) {
        refuse(into, database_rights_check,
               fmt::format("role {} may not create schemas in database {}", role, what.conn.database()),
               fmt::format("GRANT CREATE ON DATABASE {} TO {}", quote_identifier(what.conn.database()), role));
    }
    if (!rows.boolean(0, "may_use")) {
        refuse(into, database_rights_check,
               fmt::format("role {} has no rights on schema pgeist, where jobs are kept", role),
               "run pgeist as the role that ran it first, or as a member of it");
    }
    if (!rows.boolean(0, "sees_sessions")) {
        warn(into, database_rights_check,
             fmt::format("role {} sees nothing of other roles' sessions: whoever stands in the way of a lock "
                         "can be named by process id only",
                         role),
             fmt::format("GRANT pg_read_all_stats TO {}", role));
    }
}

}  // namespace pgeist::check
