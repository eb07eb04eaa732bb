#include "pgeist/fill/planner.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "clock.hpp"
#include "outlook.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/catalog/walkable.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/plan/alter.hpp"
#include "pgeist/target/steps.hpp"
#include "pgeist/walk/key_values.hpp"
#include "refuse.hpp"
#include "statements.hpp"
#include "subquery.hpp"
#include "through_calls.hpp"

namespace pgeist::fill {

namespace {

/// What the steps of plan_fill() share.
struct workshop {
    const request& asked;
    target::build_context at;
    std::vector<target::known_column> known;
    std::set<std::string> set_columns;
    std::map<std::string, std::set<std::string>> generated_from;  ///< what a generated column reads
    std::set<std::string> decisive;                               ///< see decisive_columns()
    std::string moment;
    planned made;
    int subqueries = 0;
};

std::vector<target::known_column> columns_of(const catalog::table& source) {
    std::vector<target::known_column> known;
    for (const auto& column : source.columns) {
        target::known_column each;
        each.name = column.name;
        each.sql = quote_identifier(column.name);
        each.reads = {column.name};
        known.push_back(std::move(each));
    }
    return known;
}

const catalog::column& settable(const catalog::table& source, const std::string& name, const std::string& what) {
    const auto* column = source.find_column(name);
    if (column == nullptr) {
        refuse(fmt::format("{}: {} has no column {}", what, source.name.display(), display_identifier(name)));
    }
    if (column->generated != 0 || column->identity == 'a') {
        refuse(fmt::format("{}: column {} is {}", what, display_identifier(name),
                           column->generated != 0 ? "generated" : "an identity, GENERATED ALWAYS"));
    }
    return *column;
}

/// The expression with all names resolved, and the time of day fixed.
awaitable<resolution> resolve(workshop& with, std::string text, std::string type, std::string what) {
    resolution found;
    const bool looks_elsewhere = has_subquery(text);
    if (looks_elsewhere) {
        found = co_await resolve_with_subquery(with.at, text, type, what, ++with.subqueries);
    } else {
        static_cast<target::resolved&>(found) =
            co_await target::resolve_expression(with.at, with.at.source.name, with.known, text, what);
    }
    if (found.is_volatile) {
        refuse_unsteady(
            fmt::format("{}: it may give another value each time it is evaluated", what),
            "chunks are repeated after a deadlock and looked at again at the end; give an expression that is not "
            "volatile");
    }
    if (found.follows_clock && !looks_elsewhere) {
        const std::string fixed = with_time_fixed(found.sql, with.moment);
        if (fixed != found.sql) {
            static_cast<target::resolved&>(found) =
                co_await target::resolve_expression(with.at, with.at.source.name, with.known, fixed, what);
        }
    }
    co_return found;
}

// Before 15 it is the column that depends on those of its expression, later its default.
constexpr const char* generated_sql = R"(
    SELECT a.attname AS name, b.attname AS base FROM pg_attribute a JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
      JOIN pg_depend d ON ((d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid)
                           OR (d.classid = 'pg_class'::regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum))
       AND d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid NOT IN (0, a.attnum)
      JOIN pg_attribute b ON b.attrelid = a.attrelid AND b.attnum = d.refobjsubid
     WHERE a.attrelid = $1::bigint::oid AND a.attgenerated <> '')";

awaitable<void> read_generated(workshop& with) {
    const pg::result found = co_await with.at.conn.query(generated_sql, with.at.source.oid);
    for (int row = 0; row < found.rows(); ++row) {
        with.generated_from[found.text(row, "name")].insert(found.text(row, "base"));
    }
}

constexpr const char* met_twice =
    "a row that is met twice would get another value than one that is met once; set a new column from "
    "the old one, or say in one expression what the value is to be";
constexpr const char* order_matters =
    "what one chunk sets would decide about rows of the next; put the keys of the rows, or their values, into a table "
    "of their own first, and read that";

/// A value over a column that is set would be another one for a row that is met twice.
void require_unset(const workshop& with, const std::set<std::string>& reads, const std::string& what,
                   const char* hint) {
    for (const std::string& each : reads) {
        if (with.set_columns.count(each) != 0) {
            refuse_unsteady(fmt::format("{}: it reads column {}, which is set", what, display_identifier(each)), hint);
        }
        const auto made = with.generated_from.find(each);
        if (made == with.generated_from.end()) {
            continue;
        }
        for (const std::string& base : made->second) {
            if (with.set_columns.count(base) != 0) {
                refuse_unsteady(fmt::format("{}: it reads column {}, which is generated from {}, which is set", what,
                                            display_identifier(each), display_identifier(base)),
                                hint);
            }
        }
    }
}

/// The same of what functions and views look up.
awaitable<void> require_steady_calls(workshop& with, std::string expression, std::string what) {
    const indirect_reading found = co_await read_through_calls(with.at, expression, with.decisive);
    auto& warnings = with.made.outlook.warnings;
    for (const auto& each : found.known) {
        const std::string text =
            fmt::format("{}: {} reads column {} of other rows", what, each.through, display_identifier(each.column));
        if (!with.asked.remove) {
            refuse_unsteady(text + ", which is set", order_matters);
        }
        warnings.push_back(text + ", and earlier chunks will have deleted some of them");
    }
    for (const std::string& each : found.suspected) {
        warnings.push_back(
            fmt::format("{}: {} seems to read {}: where its value depends on rows that are {}, the "
                        "result depends on the order of chunks",
                        what, each, with.at.source.name.display(), with.asked.remove ? "deleted" : "set"));
    }
}

/// Columns of which it matters who reads them of other rows.
std::set<std::string> decisive_columns(const workshop& with) {
    std::set<std::string> all = with.set_columns;
    for (const auto& column : with.at.source.columns) {
        if (with.asked.remove) {
            all.insert(column.name);
        }
    }
    for (const auto& [name, bases] : with.generated_from) {
        const bool set = std::any_of(bases.begin(), bases.end(),
                                     [&](const std::string& each) { return with.set_columns.count(each) != 0; });
        if (set) {
            all.insert(name);
        }
    }
    return all;
}

awaitable<assignment> assignment_for(workshop& with, std::string text) {
    const auto set = plan::parse_assignment(text);
    const std::string what = "--set " + text;
    const catalog::column column = settable(with.at.source, set.column, what);
    assignment made;
    made.column = column.name;
    made.type = column.type;
    made.as_given = set.expression;
    if (plan::is_bare_literal(set.expression)) {
        made.expression = co_await target::evaluate_literal(with.at, column, set.expression, what);
        co_return made;
    }
    const auto found = co_await resolve(with, set.expression, column.type, what);
    require_unset(with, found.reads, what, met_twice);
    made.expression = found.sql;
    co_await require_steady_calls(with, found.sql, what);
    const bool looks_elsewhere = has_subquery(set.expression);
    if (found.reads.empty() && !looks_elsewhere) {  // one value for all rows: that of now
        made.expression = co_await target::evaluate_literal(with.at, column, set.expression, what);
    } else if (found.follows_clock) {
        refuse_unsteady(fmt::format("{}: its value depends on the time, the session or the role", what),
                        "rows would get other values in a run that is resumed; write the value itself");
    }
    co_return made;
}

awaitable<void> plan_values(workshop& with) {
    const request& asked = with.asked;
    for (const std::string& each : asked.sets) {
        const std::string column = plan::parse_assignment(each).column;
        if (!with.set_columns.insert(column).second) {
            refuse(fmt::format("--set {}: column {} is set twice", each, display_identifier(column)));
        }
    }
    co_await read_generated(with);
    with.decisive = decisive_columns(with);
    for (const std::string& each : asked.sets) {
        auto made = co_await assignment_for(with, each);
        with.made.spec.sets.push_back(std::move(made));
    }
    if (asked.where) {
        const auto found = co_await resolve(with, *asked.where, "boolean", "--where " + *asked.where);
        require_unset(with, found.elsewhere, "--where " + *asked.where, order_matters);
        if (asked.remove && !found.elsewhere.empty()) {
            with.made.outlook.warnings.push_back(
                fmt::format("--where {}: it looks at other rows of {}, of which earlier chunks will have deleted some",
                            *asked.where, with.at.source.name.display()));
        }
        co_await require_steady_calls(with, found.sql, "--where " + *asked.where);
        with.made.spec.condition = found.sql;
        if (found.follows_clock) {
            with.made.outlook.warnings.push_back(
                fmt::format("--where {}: what it says depends on the session or the role", *asked.where));
        }
    }
}

bool has_set_column(const catalog::table& source, const catalog::index& each, const std::set<std::string>& set) {
    return std::any_of(each.columns.begin(), each.columns.end(), [&](const catalog::index_column& column) {
        const auto* found = source.find_column(column.attnum);
        return found != nullptr && !column.included && set.count(found->name) != 0;
    });
}

awaitable<const catalog::index*> choose_key(pg::connection& session, const catalog::table& source,
                                            const std::optional<std::string>& wanted,
                                            const std::set<std::string>& set) {
    const auto rank = [](const catalog::index& each) {
        return std::make_tuple(!each.primary, !each.immediate, catalog::key_columns(each).size(), each.bytes,
                               each.name);
    };
    const catalog::index* best = nullptr;
    std::vector<std::string> reasons;
    for (const auto& each : source.indexes) {
        if (wanted && each.name != *wanted) {
            continue;
        }
        std::string reason = catalog::not_walkable_reason(source, each);
        if (reason.empty() && has_set_column(source, each, set)) {
            reason = "a column of it is set";
        }
        if (reason.empty()) {
            reason = co_await catalog::unreliable_reason(session, source, each);
        }
        if (!reason.empty()) {
            reasons.push_back(fmt::format("{}: {}", display_identifier(each.name), reason));
        } else if (best == nullptr || rank(each) < rank(*best)) {
            best = &each;
        }
    }
    if (best == nullptr && wanted && reasons.empty()) {
        refuse(fmt::format("{} has no index {}", source.name.display(), display_identifier(*wanted)));
    }
    if (best == nullptr) {
        refuse(fmt::format("{} has no key to walk{}{}", source.name.display(), reasons.empty() ? "" : ": ",
                           join(reasons, "; ")),
               "pgeist needs a primary key, or a unique btree index over NOT NULL columns, whose columns are not set; "
               "CREATE UNIQUE INDEX CONCURRENTLY makes one");
    }
    co_return best;
}

/// Whether the server takes rows that are set here for rows whose key changes: see HeapDetermineColumnsInfo().
bool sets_a_key(const workshop& with) {
    const auto& all = with.at.source.indexes;
    return std::any_of(all.begin(), all.end(), [&](const catalog::index& each) {
        return each.unique && each.immediate && !each.predicate &&
               has_set_column(with.at.source, each, with.set_columns);
    });
}

constexpr const char* partition_key_sql = R"(
    SELECT string_agg(quote_ident(a.attname), ', ') FROM pg_partition_ancestors($1::bigint::oid::regclass) AS p (relid)
      JOIN pg_partitioned_table k ON k.partrelid = p.relid
      JOIN pg_attribute a ON a.attrelid = p.relid AND a.attnum = ANY (k.partattrs::int2[])
     WHERE a.attname = ANY ($2::text[]))";

/// A row that moves to another partition gives who waits for it an error.
awaitable<void> require_fixed_partitions(workshop& with) {
    const std::vector<std::string> names(with.set_columns.begin(), with.set_columns.end());
    const catalog::table& source = with.at.source;
    const std::string asked = pg::array_literal(names);
    const pg::result row = co_await with.at.conn.query(partition_key_sql, source.oid, asked);
    if (!row.is_null(0, 0)) {
        refuse(
            fmt::format("column {} is part of a partition key of {}: rows would move to other partitions, and "
                        "writers that wait for them would get an error",
                        row.text(0, 0), source.name.display()));
    }
}

/// The end of the walk: rows that come later are the application's.
awaitable<void> find_last_key(workshop& with) {
    spec& made = with.made.spec;
    std::vector<std::string> columns;
    for (const auto& column : made.key.columns) {
        columns.push_back(fmt::format("s.{} AS k{}", quote_identifier(column.read_name), columns.size() + 1));
    }
    co_await with.at.conn.execute(std::string(catalog::reading_settings) + "; SET LOCAL bytea_output TO hex");
    const pg::result row = co_await with.at.conn.query(fmt::format(
        "SELECT {} FROM (SELECT {} FROM {} AS s ORDER BY {} LIMIT 1) AS b", walk::readable_log_columns(made.key, "b"),
        join(columns, ", "), made.from(), walk::order_by(walk::reversed(made.key), "s")));
    if (!row.empty()) {
        made.last_key.emplace();
        for (int column = 0; column < row.columns(); ++column) {
            made.last_key->push_back(row.text(0, column));
        }
    }
    co_await with.at.conn.execute(catalog::session_settings(with.at.conn));
}

/// Has the server judge types, casts and rights; reads no row.
awaitable<void> try_statement(workshop& with) {
    co_await target::begin_trial(with.at);
    std::optional<pg::sql_error> failed;
    try {
        const walk::key_range everything;
        co_await with.at.conn.execute("EXPLAIN " + statements(with.made.spec).write(everything, locked_rows::skip).sql);
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    co_await target::undo_trial(with.at);
    if (failed) {
        refuse(fmt::format("{}: {}", with.asked.statement(), failed->diag().message), failed->diag().hint);
    }
}

void fill_basics(workshop& with) {
    const catalog::table& source = with.at.source;
    spec& made = with.made.spec;
    made.table = source.name;
    made.source_oid = source.oid;
    made.partitioned = source.kind == 'p';
    made.job_schema = with.at.job_schema;
    made.profile = with.at.conn.profile();
    made.estimated_rows = source.estimated_rows;
    made.table_bytes = source.table_bytes;
    made.index_bytes = source.index_bytes;
}

/// The schemas that resolving needs; nobody's business but ours and the table owner's.
awaitable<void> make_schemas(workshop& with) {
    for (const std::string& each : {with.at.job_schema, with.at.passage_schema}) {
        co_await with.at.conn.execute("CREATE SCHEMA " + quote_identifier(each));
    }
}

awaitable<void> drop_schemas(workshop& with) {
    spec& made = with.made.spec;
    co_await with.at.conn.execute("DROP SCHEMA " + quote_identifier(with.at.passage_schema));
    const std::string drop = "DROP SCHEMA IF EXISTS " + quote_identifier(with.at.job_schema);
    if (with.at.finish.empty()) {
        co_await with.at.conn.execute(drop);
    } else {
        made.leftovers = with.at.finish;
        made.leftovers.push_back({"the schema of the job", drop});
    }
}

}  // namespace

awaitable<void> require_key(pg::connection& session, const catalog::table& source,
                            std::optional<std::string> key_index) {
    const std::set<std::string> nothing_is_set;
    static_cast<void>(co_await choose_key(session, source, key_index, nothing_is_set));
}

awaitable<planned> plan_fill(pg::connection& session, const catalog::table& source, request asked,
                             std::string job_schema) {
    plan::change_request change;
    change.table = source.name;
    workshop with{asked,
                  target::build_context(session, source, change, std::move(job_schema)),
                  columns_of(source),
                  {},
                  {},
                  {},
                  {},
                  {}};
    with.at.keeps_path = true;
    co_await session.execute(catalog::session_settings(session));
    const pg::result now = co_await session.query(
        "SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS.USOF'), (SELECT replace(reset_val, '\"$user\"', "
        "quote_ident(current_user)) FROM pg_settings WHERE name = 'search_path')");
    with.moment = now.text(0, 0);
    with.made.spec.search_path = now.text(0, 1);
    fill_basics(with);
    co_await make_schemas(with);
    co_await plan_values(with);
    co_await drop_schemas(with);
    const catalog::index* walked = co_await choose_key(session, source, asked.key_index, with.set_columns);
    with.made.spec.key = co_await target::key_of_index(session, source, *walked);
    with.made.spec.keys_change = asked.remove || sets_a_key(with);
    co_await require_fixed_partitions(with);
    co_await find_last_key(with);
    co_await try_statement(with);
    // A copy takes no subqueries, and gives all rows their value, or none.
    with.made.outlook.can_be_copied =
        !asked.remove && with.subqueries == 0 && source.kind != 'p' && source.pgeist_triggers.empty();
    co_await look_ahead(session, source, with.made);
    co_return std::move(with.made);
}

}  // namespace pgeist::fill
