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

// What depends on a column automatically goes with it; the index of a constraint with the constraint.
constexpr const char* taken_along_sql = R"(
    WITH gone AS (SELECT attnum FROM pg_attribute WHERE attrelid = $1::bigint::oid AND attname = ANY ($2::text[]))
    SELECT DISTINCT 'constraint ' || quote_ident(k.conname) AS label, k.conname AS name
      FROM pg_constraint k JOIN gone g ON g.attnum = ANY (k.conkey)
     WHERE k.conrelid = $1::bigint::oid AND k.contype IN ('c', 'f', 'u', 'x')
    UNION
    SELECT 'index ' || quote_ident(x.relname), x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
     WHERE i.indrelid = $1::bigint::oid AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.oid AND k.conrelid = i.indrelid)
       AND EXISTS (SELECT FROM gone g WHERE g.attnum = ANY (i.indkey::int2[])
                     OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid
                                   AND d.refobjid = i.indrelid AND d.refobjsubid = g.attnum))
    UNION
    SELECT 'statistics ' || quote_ident(s.stxname), s.stxname FROM pg_statistic_ext s
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

bool has_successor(const spec& plan, const std::string& name) {
    const auto is_of = [&](const auto& twin) { return twin.of == name || twin.old_name == name; };
    return std::any_of(plan.indexes.begin(), plan.indexes.end(), is_of) ||
           std::any_of(plan.constraints.begin(), plan.constraints.end(), is_of);
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
    co_return all;
}

awaitable<std::vector<std::string>> left_behind(pg::connection& session, const spec& plan) {
    const names now = names_of(plan);
    std::vector<std::string> columns;
    for (const std::string& each : plan.replaced) {
        columns.push_back(now(each));
    }
    const std::string gone = pg::array_literal(columns);
    const pg::result found = co_await session.query(taken_along_sql, plan.source_oid, gone);
    std::vector<std::string> all;
    for (int row = 0; row < found.rows(); ++row) {
        if (!has_successor(plan, found.text(row, "name"))) {
            all.push_back(found.text(row, "label"));
        }
    }
    co_return all;
}

}  // namespace pgeist::expand
