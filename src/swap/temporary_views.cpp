#include "pgeist/swap/temporary_views.hpp"

namespace pgeist::swap {

awaitable<std::vector<report::blocker>> temporary_views(pg::connection& session, std::int64_t table_oid) {
    const pg::result found = co_await session.query(
        "SELECT DISTINCT format('%I.%I', n.nspname, v.relname) AS name, pg_get_userbyid(v.relowner) AS owner "
        "FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class "
        "JOIN pg_namespace n ON n.oid = v.relnamespace WHERE d.classid = 'pg_rewrite'::regclass "
        "AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::bigint::oid AND v.relpersistence = 't' "
        "AND v.relkind = 'v' ORDER BY 1",
        table_oid);
    std::vector<report::blocker> blockers;
    for (int row = 0; row < found.rows(); ++row) {
        report::blocker each;
        each.other = "temporary view " + found.text(row, "name");
        each.user = found.text(row, "owner");
        each.state = "there";
        each.query = "it reads the table; its session, or DROP VIEW there, ends it";
        blockers.push_back(std::move(each));
    }
    co_return blockers;
}

}  // namespace pgeist::swap
