#include "outlook.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "refuse.hpp"
#include "statements.hpp"

namespace pgeist::fill {

namespace {

// Bits of pg_trigger.tgtype: ROW 1, DELETE 8, UPDATE 16. An UPDATE OF trigger has its columns in tgattr. A partition
// may have some of its own.
constexpr const char* triggers_sql = R"(
    SELECT DISTINCT quote_ident(t.tgname) AS name FROM pg_trigger t
     WHERE (t.tgrelid = $1::bigint::oid OR t.tgrelid IN (SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass)))
       AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
       AND t.tgname NOT LIKE 'pgeist\_%' AND t.tgtype::int & CASE WHEN $2 THEN 8 ELSE 16 END <> 0
       AND (t.tgattr::text = '' OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.tgrelid
             AND a.attnum = ANY (string_to_array(t.tgattr::text, ' ')::int2[]) AND a.attname = ANY ($3::text[])))
     ORDER BY 1)";

// Of foreign keys that do something to rows elsewhere.
constexpr const char* cascades_sql = R"(
    SELECT format('%s of %s', quote_ident(conname), conrelid::regclass) AS name FROM pg_constraint
     WHERE confrelid = $1::bigint::oid AND contype = 'f' AND confdeltype IN ('c', 'n', 'd') ORDER BY 1)";

// Every index that depends on one of the columns: as its own, in an expression or in its predicate. From 16 on an
// update may be HOT although a BRIN index has the column.
constexpr const char* indexes_sql = R"(
    SELECT DISTINCT quote_ident(x.relname) AS name FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      JOIN pg_am m ON m.oid = x.relam
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attname = ANY ($2::text[])
     WHERE (i.indrelid = $1::bigint::oid
            OR (i.indrelid IN (SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass))
                AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)))
       AND (a.attnum = ANY (i.indkey::int2[]) OR EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
             AND d.objid = i.indexrelid AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))
       AND (m.amname <> 'brin' OR current_setting('server_version_num')::int < 160000)
     ORDER BY 1)";

constexpr std::int64_t sample_rows = 20'000;
constexpr double much = 0.25;  ///< of the rows: in place, more than that leaves more bloat than a copy costs

std::vector<std::string> first_column(const pg::result& rows) {
    std::vector<std::string> names;
    for (int row = 0; row < rows.rows(); ++row) {
        names.push_back(rows.text(row, 0));
    }
    return names;
}

awaitable<void> sample(pg::connection& session, planned& made) {
    const spec& what = made.spec;
    const double percent = what.estimated_rows > sample_rows
                               ? 100.0 * static_cast<double>(sample_rows) / static_cast<double>(what.estimated_rows)
                               : 100.0;
    std::optional<pg::sql_error> failed;
    pg::result row;
    co_await session.execute("SAVEPOINT pgeist_sample; SET LOCAL statement_timeout = '2s'");
    try {
        row = co_await session.query(fmt::format(
            "SELECT count(*) AS rows, count(*) FILTER (WHERE wanted) AS wanted FROM (SELECT {} AS wanted FROM {} AS s "
            "TABLESAMPLE SYSTEM ({}) REPEATABLE (1) LIMIT {}) AS x",
            statements(what).is_wanted(), what.from(), percent, 2 * sample_rows));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    co_await session.execute("ROLLBACK TO SAVEPOINT pgeist_sample; RELEASE SAVEPOINT pgeist_sample");
    if (failed && failed->in_class("42")) {  // a function that finds nothing by that name
        refuse(fmt::format("it fails for a row of {}: {}", what.table.display(), failed->diag().message),
               "mend what it calls; nothing was done");
    }
    if (failed && failed->blames_data()) {
        made.outlook.sample_failed = failed->what();
    }
    if (!failed && row.integer(0, "rows") > 0) {
        made.outlook.changed = row.number(0, row.column("wanted")) / row.number(0, row.column("rows"));
    }
}

}  // namespace

void judge(planned& made, const catalog::table& source) {
    // Rows per millisecond and bytes per millisecond, from runs on a 2-core machine, rounded down.
    constexpr double looked_at = 500;
    constexpr double set = 50;
    constexpr double per_index = 100;
    constexpr std::int64_t copy_rate = 100'000;
    constexpr std::int64_t index_rate = 50'000;
    constexpr std::int64_t verify_rate = 150'000;
    constexpr std::int64_t fixed_ms = 1'000;
    const spec& what = made.spec;
    outlook& out = made.outlook;
    const auto rows = static_cast<double>(std::max<std::int64_t>(what.estimated_rows, 0));
    const double changed = rows * out.changed.value_or(1);
    const auto entered = static_cast<double>(out.not_hot.empty() ? 0 : source.indexes.size());
    out.fill_ms =
        fixed_ms + static_cast<std::int64_t>(2 * rows / looked_at + changed / set + changed * entered / per_index);
    out.copy_ms =
        fixed_ms + what.table_bytes / copy_rate + what.index_bytes / index_rate + 2 * what.table_bytes / verify_rate;
    if (!out.can_be_copied) {
        return;
    }
    if (out.changed.value_or(0) > much) {
        out.copy_instead = fmt::format("about {:.0f}% of the rows change", 100 * *out.changed);
    } else if (!out.not_hot.empty() && out.changed.value_or(0) > 0) {
        out.copy_instead = fmt::format("an indexed column is set ({})", join(out.not_hot, ", "));
    }
}

awaitable<void> look_ahead(pg::connection& session, const catalog::table& source, planned& made) {
    std::vector<std::string> columns;
    for (const assignment& each : made.spec.sets) {
        columns.push_back(each.column);
    }
    const std::string names = pg::array_literal(columns);
    const pg::result triggers = co_await session.query(triggers_sql, source.oid, made.spec.removes(), names);
    made.outlook.triggers = first_column(triggers);
    const pg::result indexes = co_await session.query(indexes_sql, source.oid, names);
    made.outlook.not_hot = first_column(indexes);
    if (made.spec.removes()) {
        const pg::result cascades = co_await session.query(cascades_sql, source.oid);
        for (const std::string& each : first_column(cascades)) {
            made.outlook.warnings.push_back("foreign key " + each + " changes or deletes rows there, too");
        }
    }
    co_await sample(session, made);
    judge(made, source);
}

}  // namespace pgeist::fill
