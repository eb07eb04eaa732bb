// What an action's transaction has made, and CHECKs that it makes anew.

#include "made.hpp"

#include <algorithm>
#include <iterator>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"

namespace pgeist::native {

namespace {

// By this transaction. A CHECK that children have besides is theirs, too.
constexpr const char* constraints_sql = R"sql(
    SELECT oid::bigint AS oid, conrelid::bigint AS table_oid, NOT convalidated AS pending FROM pg_constraint
     WHERE xmin = pg_current_xact_id()::xid AND conparentid = 0 AND conislocal AND (coninhcount = 0 OR $1)
     ORDER BY oid)sql";

constexpr const char* column_sql = R"sql(
    SELECT attrelid::bigint AS table_oid, attnum FROM pg_attribute
     WHERE xmin = pg_current_xact_id()::xid AND attrelid = to_regclass($1) AND attname = $2 AND attnum > 0 AND attinhcount = 0)sql";

/// Those in whose place `{{made}}` stands.
std::vector<steps::made_object> pending_before(const steps::step& of, int at) {
    std::vector<steps::made_object> all;
    for (int before = at - 1; before >= 0; --before) {
        const steps::action& maker = of.actions[static_cast<std::size_t>(before)];
        if (makes_something(maker)) {
            std::copy_if(maker.made.begin(), maker.made.end(), std::back_inserter(all),
                         [](const steps::made_object& each) { return each.pending; });
            if (!maker.checks_anew && all.size() > 1) {
                all.resize(1);  // what an event trigger has made behind it is none of ours
            }
            break;
        }
    }
    return all;
}

constexpr const char* name_sql = R"sql(
    SELECT format('%I.%I', n.nspname, c.relname) AS table_name, quote_ident(k.conname) AS name
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.oid = $1::bigint::oid)sql";

awaitable<std::string> with_name(pg::connection& session, std::string sql, steps::made_object what) {
    const pg::result row = co_await session.query(name_sql, what.constraint_oid);
    if (row.empty()) {
        throw error(exit_code::failed, "the constraint that was added has been dropped by somebody",
                    "go on with: pgeist resume JOB, which adds it again");
    }
    boost::replace_all(sql, steps::made_constraint, row.text(0, "name"));
    boost::replace_all(sql, steps::made_table, row.text(0, "table_name"));
    co_return sql;
}

/// Each statement that refers to what was made once for each.
awaitable<std::vector<std::string>> with_names(pg::connection& session, const steps::step& of, int at) {
    std::vector<std::string> done;
    const std::vector<steps::made_object> all = pending_before(of, at);
    for (std::string text : of.actions[static_cast<std::size_t>(at)].statements) {
        put_in_index(of, at, text);
        const bool refers = text.find(steps::made_constraint) != std::string::npos;
        if (!refers) {
            done.push_back(text);
            continue;
        }
        for (const steps::made_object& each : all) {
            done.push_back(co_await with_name(session, text, each));
        }
    }
    co_return done;
}

}  // namespace

void put_in_index(const steps::step& of, int at, std::string& sql) {
    for (; at >= 0; --at) {
        const steps::action& each = of.actions[static_cast<std::size_t>(at)];
        if (each.kind == steps::action_kind::build_index) {
            boost::replace_all(sql, steps::made_index, quote_identifier(each.index.name));
            break;
        }
    }
}

bool makes_something(const steps::action& what) { return what.undo != steps::undoing::nothing || what.checks_anew; }

awaitable<std::vector<steps::made_object>> find_made(pg::connection& session, std::string table,
                                                     const steps::action& by) {
    std::vector<steps::made_object> all;
    if (by.undo == steps::undoing::column) {
        const pg::result rows = co_await session.query(column_sql, table, by.column);
        for (int row = 0; row < rows.rows(); ++row) {
            steps::made_object one;
            one.table_oid = rows.integer(row, "table_oid");
            one.attnum = static_cast<int>(rows.integer(row, "attnum"));
            all.push_back(one);
        }
    }
    const pg::result rows = co_await session.query(constraints_sql, by.checks_anew);
    for (int row = 0; row < rows.rows(); ++row) {
        steps::made_object one;
        one.table_oid = rows.integer(row, "table_oid");
        one.constraint_oid = rows.integer(row, "oid");
        one.pending = rows.boolean(row, "pending");
        all.push_back(one);
    }
    co_return all;
}

namespace {

constexpr const char* drop_constraint_sql = R"sql(
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) FROM pg_constraint
     WHERE oid = $1::bigint::oid AND conrelid = $2::bigint::oid)sql";
constexpr const char* drop_column_sql = R"sql(
    SELECT format('ALTER TABLE %s DROP COLUMN %I', attrelid::regclass, attname) FROM pg_attribute
     WHERE attnum = $1::bigint AND attrelid = $2::bigint::oid AND NOT attisdropped)sql";

}  // namespace

awaitable<std::string> undoing_sql(pg::connection& session, steps::made_object what) {
    const bool column = what.attnum != 0;
    const std::int64_t number = column ? what.attnum : what.constraint_oid;
    const std::string asked = column ? drop_column_sql : drop_constraint_sql;
    const pg::result row = co_await session.query(asked, number, what.table_oid);
    std::string sql;
    if (!row.empty()) {
        sql = row.text(0, 0);
    }
    co_return sql;
}

namespace {

// The valid CHECKs over a column in a table and in what inherits it from there, parents first. What is inherited comes
// and goes with the parent's; a comment on it does not come back by itself.
constexpr const char* checks_sql = R"sql(
    WITH RECURSIVE tree (oid, depth) AS (
        SELECT to_regclass($1)::oid, 0
        UNION SELECT i.inhrelid, t.depth + 1 FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid),
    tables AS (SELECT oid, max(depth) AS depth FROM tree GROUP BY oid)
    SELECT format('%I.%I', n.nspname, c.relname) AS table_name, quote_ident(k.conname) AS name,
           pg_get_constraintdef(k.oid) AS definition, k.conislocal AS own, obj_description(k.oid, 'pg_constraint') AS comment
      FROM tables t JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_constraint k ON k.conrelid = c.oid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
     WHERE a.attname = $2 AND k.contype = 'c' AND k.convalidated
     ORDER BY t.depth, c.oid, k.conname)sql";

}  // namespace

awaitable<std::vector<std::string>> statements_now(pg::connection& session, const steps::step& of, int at) {
    const steps::action& what = of.actions[static_cast<std::size_t>(at)];
    std::vector<std::string> own = co_await with_names(session, of, at);
    if (!what.checks_anew) {
        co_return own;
    }
    const pg::result checks = co_await session.query(checks_sql, of.table, what.column);
    std::vector<std::string> all;
    std::vector<std::string> after;
    std::vector<std::string> comments;
    for (int row = 0; row < checks.rows(); ++row) {
        const std::string table = checks.text(row, "table_name");
        const std::string name = checks.text(row, "name");
        if (checks.boolean(row, "own")) {
            all.push_back(fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", table, name));
            after.push_back(fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID", table, name,
                                        checks.text(row, "definition")));
        }
        if (const auto comment = checks.optional_text(row, "comment")) {
            comments.push_back(
                fmt::format("COMMENT ON CONSTRAINT {} ON {} IS {}", name, table, quote_literal(*comment)));
        }
    }
    for (const auto* more : {&own, &after, &comments}) {
        all.insert(all.end(), more->begin(), more->end());
    }
    co_return all;
}

}  // namespace pgeist::native
