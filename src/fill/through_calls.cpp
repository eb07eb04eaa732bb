#include "through_calls.hpp"

#include <optional>

#include <fmt/format.h>

namespace pgeist::fill {

namespace {

// From a view of the expression: functions, those that bodies in standard SQL call, views that they read. What depends
// on a column does so by number; of a view it is not known which of its columns has it; a text is searched for what
// stands where a table does.
constexpr const char* reached_sql = R"(
    WITH RECURSIVE reached (classid, objid) AS (
        SELECT d.refclassid, d.refobjid FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
         WHERE r.ev_class = $1::text::regclass AND d.refclassid = 'pg_proc'::regclass
        UNION
        SELECT d.refclassid, d.refobjid FROM reached o LEFT JOIN pg_rewrite r ON o.classid = 'pg_class'::regclass AND r.ev_class = o.objid
          JOIN pg_depend d ON d.objid = coalesce(r.oid, o.objid)
           AND d.classid = CASE WHEN r.oid IS NULL THEN 'pg_proc'::regclass ELSE 'pg_rewrite'::regclass END
         WHERE d.refclassid = 'pg_proc'::regclass
            OR (d.refclassid = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = d.refobjid) = 'v')),
    own AS (SELECT $2::bigint::oid AS oid UNION SELECT relid FROM pg_partition_tree($2::bigint::oid::regclass)
            UNION SELECT relid FROM pg_partition_ancestors($2::bigint::oid::regclass))
    SELECT DISTINCT pg_describe_object(o.classid, o.objid, 0) AS through, CASE WHEN r.oid IS NULL THEN a.attname END AS "column"
      FROM reached o LEFT JOIN pg_rewrite r ON o.classid = 'pg_class'::regclass AND r.ev_class = o.objid
      JOIN pg_depend d ON d.objid = coalesce(r.oid, o.objid)
       AND d.classid = CASE WHEN r.oid IS NULL THEN 'pg_proc'::regclass ELSE 'pg_rewrite'::regclass END
       AND d.refclassid = 'pg_class'::regclass
      JOIN own ON own.oid = d.refobjid JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE a.attname = ANY ($3::text[])
       AND NOT EXISTS (SELECT FROM pg_proc p WHERE o.classid = 'pg_proc'::regclass AND p.oid = o.objid AND p.pronamespace = to_regnamespace($4))
    UNION ALL
    SELECT pg_describe_object(o.classid, o.objid, 0), NULL FROM reached o JOIN pg_proc p ON o.classid = 'pg_proc'::regclass AND p.oid = o.objid
      JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal') JOIN pg_class c ON c.oid = $2::bigint::oid
     WHERE p.prosqlbody IS NULL AND p.provolatile <> 'i' AND p.oid >= 16384 AND p.pronamespace IS DISTINCT FROM to_regnamespace($4)
       AND p.prosrc ~* ('\m(from|join|only|table)\s+("?\w+"?\s*\.\s*)?"?' || regexp_replace(c.relname, '(\W)', '\\\1', 'g') || '"?(\W|$)')
       AND (p.prosrc ~ '\*' OR EXISTS (SELECT FROM unnest($3::text[]) AS one (name)
                                       WHERE p.prosrc ~* ('(^|\W)' || regexp_replace(one.name, '(\W)', '\\\1', 'g') || '(\W|$)')))
     ORDER BY 1, 2)";

}  // namespace

awaitable<indirect_reading> read_through_calls(target::build_context& at, std::string expression,
                                               std::set<std::string> columns) {
    const qualified_name view{at.passage_schema, "pgeist_calls"};
    const std::vector<std::string> names(columns.begin(), columns.end());
    const std::string wanted = pg::array_literal(names);
    indirect_reading found;
    std::optional<pg::sql_error> failed;
    co_await target::begin_trial(at);
    try {
        co_await at.conn.execute(fmt::format("CREATE VIEW {} AS SELECT ({}) IS NULL AS x FROM {}", view.sql(),
                                             expression, at.source.name.sql()));
        const std::string own = quote_identifier(at.job_schema);  // whose functions are ours
        const pg::result rows = co_await at.conn.query(reached_sql, view.sql(), at.source.oid, wanted, own);
        for (int row = 0; row < rows.rows(); ++row) {
            if (rows.is_null(row, rows.column("column"))) {
                found.suspected.push_back(rows.text(row, "through"));
            } else {
                indirect_reading::reading one;
                one.through = rows.text(row, "through");
                one.column = rows.text(row, "column");
                found.known.push_back(std::move(one));
            }
        }
    } catch (const pg::sql_error& problem) {
        failed = problem;  // what is no expression for a view is tried as a statement later
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    co_await target::undo_trial(at);
    co_return found;
}

}  // namespace pgeist::fill
