#include <map>
#include <set>

#include <fmt/format.h>

#include "readers.hpp"

namespace pgeist::catalog {

namespace {

// Found by the catalogs' indexes (LATERAL, OFFSET 0), as the fingerprint is: it runs under the lock.
// Everything that is part of the table or hangs on a part of it. What pgeist carries itself is left out here; whatever
// remains is named by PostgreSQL itself, so that a kind of object nobody thought of is refused, not lost.
//   own:  the table's parts; things between parts do not count. Sequences OWNED BY a column stay the same object.
//   held: the parts that the new table has anew, under another OID; a dependent on one of them would be left behind.
constexpr const char* dependents_sql = R"(
    WITH held(classid, objid) AS (
        SELECT 'pg_class'::regclass::oid, $1::oid
        UNION SELECT 'pg_type'::regclass, reltype FROM pg_class WHERE oid = $1 AND reltype <> 0
        UNION SELECT 'pg_type'::regclass, t.typarray FROM pg_class c JOIN pg_type t ON t.oid = c.reltype WHERE c.oid = $1
        UNION SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = $1
        UNION SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = $1
        UNION SELECT 'pg_class'::regclass, d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
               WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
                 AND d.deptype = 'i'),
    own(classid, objid) AS (
        SELECT classid, objid FROM held
        UNION SELECT 'pg_class'::regclass, reltoastrelid FROM pg_class WHERE oid = $1
        UNION SELECT 'pg_attrdef'::regclass, oid FROM pg_attrdef WHERE adrelid = $1
        UNION SELECT 'pg_trigger'::regclass, oid FROM pg_trigger WHERE tgrelid = $1
        UNION SELECT 'pg_constraint'::regclass, d.objid FROM pg_depend d JOIN pg_constraint k ON k.oid = d.objid
               WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
                 AND k.confrelid = $1 AND k.contype = 'f'
        UNION SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid = $1
        UNION SELECT 'pg_rewrite'::regclass, oid FROM pg_rewrite WHERE ev_class = $1
        UNION SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext WHERE stxrelid = $1
        UNION SELECT 'pg_publication_rel'::regclass, oid FROM pg_publication_rel WHERE prrelid = $1
        UNION SELECT 'pg_class'::regclass, d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
               WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
                 AND d.deptype = 'a'),
    found AS (
        SELECT DISTINCT d.classid, d.objid, d.objsubid
          FROM held h CROSS JOIN LATERAL (
               SELECT * FROM pg_depend WHERE refclassid = h.classid AND refobjid = h.objid OFFSET 0) AS d
         WHERE d.deptype <> 'p'
           AND NOT coalesce((SELECT g.tgisinternal FROM pg_trigger g
                              WHERE d.classid = 'pg_trigger'::regclass AND g.oid = d.objid), false)
           AND NOT EXISTS (SELECT FROM own o WHERE o.classid = d.classid AND o.objid = d.objid))
    SELECT DISTINCT
           CASE v.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                ELSE (pg_identify_object(f.classid, f.objid, f.objsubid)).type END AS kind,
           coalesce(v.oid, f.objid) AS oid, coalesce(v.relpersistence = 't', false) AS temporary,
           CASE WHEN v.oid IS NOT NULL THEN pg_describe_object('pg_class'::regclass, v.oid, 0)
                ELSE pg_describe_object(f.classid, f.objid, f.objsubid) END AS name
      FROM found f
      LEFT JOIN LATERAL (SELECT ev_class FROM pg_rewrite
                          WHERE f.classid = 'pg_rewrite'::regclass AND oid = f.objid AND rulename = '_RETURN' OFFSET 0) AS w ON true
      LEFT JOIN LATERAL (SELECT * FROM pg_class  -- a view's column of the row type is part of the view
                          WHERE oid = CASE WHEN f.classid = 'pg_class'::regclass AND f.objsubid > 0 THEN f.objid
                                           ELSE w.ev_class END
                            AND relkind IN ('v', 'm') OFFSET 0) AS v ON true
     UNION ALL SELECT 'security label', 0, false, format('security label of provider %s on %s', l.provider,
                                              pg_describe_object(l.classoid, l.objoid, l.objsubid))
      FROM pg_seclabel l JOIN held h ON l.classoid = h.classid AND l.objoid = h.objid AND l.objoid <> $1
     UNION ALL SELECT 'subscription', 0, false,
                      CASE WHEN r.srrelid = $1 THEN format('subscription %s', s.subname)
                           ELSE format('%s of subscription %s', pg_describe_object('pg_class'::regclass, r.srrelid, 0), s.subname) END
      FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
      JOIN held h ON h.classid = 'pg_class'::regclass AND h.objid = r.srrelid
     ORDER BY 1, 4)";

/// Kinds that dependents/ knows how to lead to the new table.
bool can_be_led(const std::string& kind) {
    static const std::set<std::string> kinds{"view",   "materialized view", "rule",   "function", "procedure",
                                             "policy", "default value",     "trigger"};
    return kinds.count(kind) != 0;
}

std::string reason_for(const std::string& kind) {
    static const std::map<std::string, std::string> reasons{
        {"view", "it is temporary: another session's"},
        {"security label", "security labels are carried for the table and its columns only"},
        {"subscription", "the subscription would not know the new one"},
        {"table column", "it is bound to the old table's row type"},
    };
    const auto found = reasons.find(kind);
    return found != reasons.end() ? found->second : "it is bound to the old table";
}

}  // namespace

awaitable<void> read_dependents(pg::inquiry& ask, table& into) {
    const auto rows = co_await ask.ask(dependents_sql, into.oid);
    for (int row = 0; row < rows.rows(); ++row) {
        if (can_be_led(rows.text(row, "kind")) && !rows.boolean(row, "temporary")) {
            bound_object bound;
            bound.kind = rows.text(row, "kind");
            bound.oid = rows.integer(row, "oid");
            bound.name = rows.text(row, "name");
            into.bound.push_back(std::move(bound));
            continue;
        }
        dependent each;
        each.kind = rows.text(row, "kind");
        each.name = rows.text(row, "name");
        each.reason = reason_for(each.kind);
        into.dependents.push_back(std::move(each));
    }
}

}  // namespace pgeist::catalog
