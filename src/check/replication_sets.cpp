#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* replication_sets_check = "replication_sets";

// As has_table_privilege(), for what may not be there.
constexpr const char* extensions_sql = R"(
    SELECT e.extname, n.nspname,
           has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(m.oid, 'SELECT')
               AND has_table_privilege(s.oid, 'SELECT') AS may_read
      FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
      JOIN pg_class m ON m.relnamespace = n.oid AND m.relname = 'replication_set_table' AND m.relkind = 'r'
      JOIN pg_class s ON s.relnamespace = n.oid AND s.relname = 'replication_set' AND s.relkind = 'r'
     WHERE e.extname IN ('pglogical', 'spock') ORDER BY e.extname)";

constexpr const char* sets_sql = R"(
    SELECT string_agg(quote_ident(s.set_name), ', ' ORDER BY s.set_name)
      FROM {0}.replication_set_table m JOIN {0}.replication_set s ON s.set_id = m.set_id WHERE m.set_reloid::oid = $1)";

}  // namespace

/// They hold tables by their OID, and send nothing of one with another.
awaitable<void> check_replication_sets(const subject& what, findings& into) {
    const std::string table = what.source->name.display();
    const auto extensions = co_await what.conn.query(extensions_sql);
    for (int row = 0; row < extensions.rows(); ++row) {
        const std::string extension = extensions.text(row, "extname");
        const std::string schema = quote_identifier(extensions.text(row, "nspname"));
        if (!extensions.boolean(row, "may_read")) {
            warn(
                into, replication_sets_check,
                fmt::format("role {} may not see whether {} is in a replication set of {}, which would send nothing of "
                            "the new table",
                            quote_identifier(what.conn.user()), table, extension));
            continue;
        }
        std::string sql = fmt::format(sets_sql, schema);
        const auto sets = co_await what.conn.query(std::move(sql), what.source->oid);
        if (!sets.is_null(0, 0)) {
            refuse(
                into, replication_sets_check,
                fmt::format("{} is in replication set {} of {}, which would send nothing of the new table", table,
                            sets.text(0, 0), extension),
                fmt::format("take it out for the time of the run ({0}.replication_set_remove_table) and add it again "
                            "afterwards; what is written meanwhile is not sent",
                            schema));
        }
    }
}

}  // namespace pgeist::check
