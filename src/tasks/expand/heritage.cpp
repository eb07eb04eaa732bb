#include "heritage.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "bound_expressions.hpp"

namespace pgeist::expand {

namespace {

constexpr const char* index_sql = R"(
    SELECT obj_description(x.oid, 'pg_class') AS comment, obj_description(k.oid, 'pg_constraint') AS constraint_comment, i.indisclustered AS clustered,
           ARRAY(SELECT format('ALTER COLUMN %s SET STATISTICS %s', a.attnum, a.attstattarget) FROM pg_attribute a
                  WHERE a.attrelid = x.oid AND a.attstattarget >= 0 ORDER BY a.attnum) AS targets
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
     WHERE i.indrelid = $1::bigint::oid AND x.relname = $2)";

constexpr const char* comment_of_constraint_sql =
    "SELECT obj_description(oid, 'pg_constraint') AS comment FROM pg_constraint WHERE conrelid = $1::bigint::oid AND "
    "conname = $2";

// A statistics object of the table under the name that its twin has now, and what the old one has that the twin lacks.
constexpr const char* statistics_heritage_sql = R"(
    SELECT format('%I.%I', n.nspname, s.stxname) AS now, quote_ident(n.nspname) AS schema, obj_description(o.oid, 'pg_statistic_ext') AS comment,
           CASE WHEN coalesce(o.stxstattarget, -1) >= 0 THEN o.stxstattarget END AS target,
           CASE WHEN o.stxowner <> s.stxowner AND pg_has_role(o.stxowner, $4) AND has_schema_privilege(o.stxowner, s.stxnamespace, 'CREATE')
                THEN quote_ident(pg_get_userbyid(o.stxowner)) END AS owner
      FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace JOIN pg_statistic_ext o
        ON o.stxrelid = s.stxrelid AND o.stxnamespace = s.stxnamespace
     WHERE s.stxrelid = $1::bigint::oid AND n.nspname = $5 AND s.stxname = $2 AND o.stxname = $3)";

// What depends on a column automatically goes with it; the index of a constraint with the constraint, and the other way
// round. $3: those of the columns that were renamed.
constexpr const char* taken_along_sql = R"(
    WITH gone AS (SELECT attnum, attname = ANY ($3::text[]) AS renamed FROM pg_attribute
                   WHERE attrelid = $1::bigint::oid AND attname = ANY ($2::text[]))
    SELECT 'constraint ' || quote_ident(k.conname) AS label, k.conname AS name, bool_and(g.renamed) AS rule
      FROM pg_constraint k JOIN gone g ON g.attnum = ANY (k.conkey)
           OR k.contype IN ('u', 'x') AND EXISTS (SELECT FROM pg_depend d WHERE d.refobjid = k.conrelid AND d.refobjsubid = g.attnum
                 AND (d.classid, d.objid) IN (('pg_class'::regclass, k.conindid), ('pg_constraint'::regclass, k.oid)))
     WHERE k.conrelid = $1::bigint::oid AND k.contype IN ('c', 'f', 'u', 'x') GROUP BY k.oid, k.conname
    UNION ALL
    SELECT 'index ' || quote_ident(x.relname), x.relname, false FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
     WHERE i.indrelid = $1::bigint::oid AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.oid AND k.conrelid = i.indrelid)
       AND EXISTS (SELECT FROM gone g WHERE g.attnum = ANY (i.indkey::int2[])
                     OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid
                                   AND d.refobjid = i.indrelid AND d.refobjsubid = g.attnum))
    UNION ALL
    SELECT 'statistics ' || quote_ident(s.stxname), s.stxname, false FROM pg_statistic_ext s
     WHERE s.stxrelid = $1::bigint::oid
       AND EXISTS (SELECT FROM gone g WHERE g.attnum = ANY (s.stxkeys::int2[])
                     OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_statistic_ext'::regclass AND d.objid = s.oid
                                   AND d.refobjid = s.stxrelid AND d.refobjsubid = g.attnum))
     ORDER BY 1)";

void add_comment(std::vector<std::string>& into, const char* what, const std::string& name,
                 const std::optional<std::string>& comment) {
    if (comment) {
        into.push_back(fmt::format("COMMENT ON {} {} IS {}", what, name, quote_literal(*comment)));
    }
}

/// Kinds have names of their own, but for constraints and their indexes.
bool has_successor(const spec& plan, const std::string& label, const std::string& name) {
    const auto any_of = [&](const auto& twins) {
        return std::any_of(twins.begin(), twins.end(),
                           [&](const auto& twin) { return twin.of == name || twin.old_name == name; });
    };
    if (label.starts_with("statistics ")) {
        return any_of(plan.statistics);
    }
    return any_of(plan.indexes) || (label.starts_with("constraint ") && any_of(plan.constraints));
}

awaitable<void> add_statistics(std::vector<std::string>& into, pg::connection& session, const spec& plan) {
    const std::string right = session.server_major() >= 16 ? "SET" : "MEMBER";
    for (const twin_statistics& each : plan.statistics) {
        const pg::result found = co_await session.query(statistics_heritage_sql, plan.source_oid, each.name.name,
                                                        each.of, right, each.name.schema);
        if (each.old_name.empty() || found.empty()) {
            continue;
        }
        const std::string name = found.text(0, "schema") + "." + quote_identifier(each.old_name);
        into.push_back(
            fmt::format("ALTER STATISTICS {} RENAME TO {}", found.text(0, "now"), quote_identifier(each.old_name)));
        if (const auto target = found.optional_text(0, "target")) {
            into.push_back(fmt::format("ALTER STATISTICS {} SET STATISTICS {}", name, *target));
        }
        add_comment(into, "STATISTICS", name, found.optional_text(0, "comment"));
        if (const auto owner = found.optional_text(0, "owner")) {
            into.push_back(fmt::format("ALTER STATISTICS {} OWNER TO {}", name, *owner));
        }
    }
}

}  // namespace

awaitable<std::vector<std::string>> read_heritage(pg::connection& session, const spec& plan) {
    std::vector<std::string> all;
    const std::string table = plan.table.sql();
    for (const twin_index& each : plan.indexes) {
        if (each.old_name.empty()) {
            continue;
        }
        const std::string name = quote_identifier(each.old_name);
        const std::string index = qualified_name{plan.table.schema, each.old_name}.sql();
        const pg::result found = co_await session.query(index_sql, plan.source_oid, each.old_name);
        if (found.empty()) {
            continue;
        }
        add_comment(all, "INDEX", index, found.optional_text(0, "comment"));
        add_comment(all, "CONSTRAINT", name + " ON " + table, found.optional_text(0, "constraint_comment"));
        if (found.boolean(0, "clustered")) {
            all.push_back(fmt::format("ALTER TABLE {} CLUSTER ON {}", table, name));
        }
        for (const std::string& target : found.array(0, "targets")) {
            all.push_back(fmt::format("ALTER INDEX {} {}", index, target));
        }
    }
    for (const twin_constraint& each : plan.constraints) {
        const pg::result found = co_await session.query(comment_of_constraint_sql, plan.source_oid, each.old_name);
        if (!each.old_name.empty() && !found.empty()) {
            add_comment(all, "CONSTRAINT", quote_identifier(each.old_name) + " ON " + table,
                        found.optional_text(0, "comment"));
        }
    }
    co_await add_statistics(all, session, plan);
    co_return all;
}

awaitable<std::vector<bequest>> left_behind(pg::connection& session, const spec& plan) {
    const names now = names_of(plan);
    std::vector<std::string> columns;
    for (const std::string& each : plan.replaced) {
        columns.push_back(now(each));
    }
    std::vector<std::string> renamed;
    for (const auto& [old_name, new_name] : plan.renamed) {
        renamed.push_back(now(old_name));
    }
    const std::string gone = pg::array_literal(columns);
    const std::string kept_by_rename = pg::array_literal(renamed);
    const pg::result found = co_await session.query(taken_along_sql, plan.source_oid, gone, kept_by_rename);
    std::vector<bequest> all;
    for (int row = 0; row < found.rows(); ++row) {
        if (!has_successor(plan, found.text(row, "label"), found.text(row, "name"))) {
            bequest one;
            one.label = found.text(row, "label");
            one.rule = found.boolean(row, "rule");
            all.push_back(std::move(one));
        }
    }
    co_return all;
}

}  // namespace pgeist::expand
