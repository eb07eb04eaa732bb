#include "statements.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/transfer/image.hpp"

namespace pgeist::fill {

namespace {

/// Strings of a limited length, where an explicit cast, unlike an assignment, cuts what is too long.
bool is_cut_by_cast(const std::string& type) {
    return type.find('(') != std::string::npos && (type.starts_with("character") || type.starts_with("bit"));
}

/// True when the column is to be written. A string that is too long always is: so the assignment meets it.
std::string differs(const assignment& set) {
    const std::string value = fmt::format("CAST(({}) AS {})", set.expression, set.type);
    std::string text = transfer::image_differs(set.type, quote_identifier(set.column), value);
    if (is_cut_by_cast(set.type)) {
        text += fmt::format(
            " OR pg_catalog.rtrim(CAST(({0}) AS pg_catalog.text)) COLLATE \"C\" IS DISTINCT FROM "
            "pg_catalog.rtrim(CAST({1} AS pg_catalog.text)) COLLATE \"C\"",
            set.expression, value);
    }
    return set.guard.empty() ? text : fmt::format("({}) AND ({})", set.guard, text);
}

/// The value of a row whose guard is true, else what it has. The cast must not cut what the assignment refuses.
std::string guarded(const assignment& set) {
    std::string type = set.type;
    if (is_cut_by_cast(type)) {
        type = type.starts_with("bit") ? "pg_catalog.varbit" : "pg_catalog.text";
    }
    return fmt::format("CASE WHEN {} THEN CAST(({}) AS {}) ELSE {} END", set.guard, set.expression, type,
                       quote_identifier(set.column));
}

std::string and_wanted(const walk::bound_sql& range, const std::string& wanted) {
    return (range.sql.empty() ? " WHERE " : range.sql + " AND ") + wanted;
}

}  // namespace

std::string hot_updates(const spec& of) {
    if (!of.partitioned) {
        return fmt::format("pg_stat_get_xact_tuples_hot_updated({}::oid)", of.source_oid);
    }
    return fmt::format(
        "(SELECT coalesce(sum(pg_stat_get_xact_tuples_hot_updated(l.relid)), 0)::bigint FROM "
        "pg_partition_tree({}::oid::regclass) AS l WHERE l.isleaf)",
        of.source_oid);
}

std::string statements::is_wanted() const {
    std::string text;
    for (const assignment& each : of_->sets) {
        text += fmt::format("{}{}", text.empty() ? "" : " OR ", differs(each));
    }
    if (of_->condition) {
        text =
            text.empty() ? fmt::format("({})", *of_->condition) : fmt::format("({}) AND ({})", *of_->condition, text);
    }
    return text.empty() ? "true" : fmt::format("({})", text);
}

std::string statements::keys(const std::string& alias, bool as_text) const {
    std::string text = of_->key.columns.empty() ? fmt::format("'ctid = ' || {}.ctid::text", alias) : "";
    for (std::size_t at = 0; at < of_->key.columns.size(); ++at) {
        const std::string& name = of_->key.columns[at].read_name;
        const std::string value = alias + "." + quote_identifier(name);
        // By the type's output function: a cast to text may be anybody's.
        const std::string label = (at == 0 ? "" : ", ") + display_identifier(name) + " = ";
        text += as_text ? fmt::format("{}{} || pg_catalog.left(pg_catalog.format('%s', {}), 100)",
                                      at == 0 ? "" : " || ", quote_literal(label), value)
                        : fmt::format("{}{} AS pgeist_k{}", at == 0 ? "" : ", ", value, at + 1);
    }
    return text;
}

std::string statements::same_key(const std::string& row, const std::string& picked) const {
    std::string text;
    for (std::size_t at = 0; at < of_->key.columns.size(); ++at) {
        const walk::key_column& column = of_->key.columns[at];
        text +=
            fmt::format("{}{}.{}{} {} {}.pgeist_k{}", at == 0 ? "" : " AND ", row, quote_identifier(column.read_name),
                        column.collation.empty() ? "" : " COLLATE " + column.collation, column.equal, picked, at + 1);
    }
    return text;
}

walk::bound_sql statements::wanted_in(const walk::key_range& range) const {
    walk::bound_sql sql = walk::range_predicate(of_->key, range, walk::side::read, "s");
    sql.sql = fmt::format("SELECT {} FROM {} AS s{}", keys("s", false), of_->from(), and_wanted(sql, is_wanted()));
    return sql;
}

/// `c = e, …`. The rows are those that is_wanted() finds: only where columns have different guards may one be kept.
std::string statements::changes() const {
    const std::vector<assignment>& all = of_->sets;
    const bool alike =
        std::all_of(all.begin(), all.end(), [&](const assignment& each) { return each.guard == all.front().guard; });
    std::string text;
    for (const assignment& each : all) {
        text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", quote_identifier(each.column),
                            alike || each.guard.empty() ? each.expression : guarded(each));
    }
    return text;
}

walk::bound_sql statements::write(const walk::key_range& range, locked_rows how) const {
    walk::bound_sql sql = wanted_in(range);
    const std::string range_of_w = walk::range_predicate(of_->key, range, walk::side::read, "w").sql;
    const std::string where = (range_of_w.empty() ? " WHERE " : range_of_w + " AND ") + same_key("w", "p");
    std::string change;
    if (of_->removes()) {
        change = fmt::format("DELETE FROM {} AS w USING picked AS p{} RETURNING 1", of_->from(), where);
    } else {
        change = fmt::format("UPDATE {} AS w SET {} FROM picked AS p{} RETURNING 1", of_->from(), changes(), where);
    }
    // The user's triggers find what they name as in any session of the user's: the path changes when all names here are
    // read, and before the first row is looked for, which is when triggers for the statement fire.
    sql.sql = fmt::format(
        "WITH picked AS MATERIALIZED ({} ORDER BY {} FOR {} OF s {}), written AS ({}) SELECT (SELECT count(*) FROM "
        "picked) AS found, w.written, {} AS hot, pg_current_snapshot()::text AS saw FROM (SELECT "
        "set_config('search_path', {}, true) AS path) AS u "
        "CROSS JOIN LATERAL (SELECT count(*) AS written FROM written WHERE u.path IS NOT NULL) AS w",
        sql.sql, walk::order_by(of_->key, "s"), of_->keys_change ? "UPDATE" : "NO KEY UPDATE",
        how == locked_rows::fail ? "NOWAIT" : "SKIP LOCKED", change, hot_updates(*of_),
        quote_literal(of_->search_path));
    return sql;
}

walk::bound_sql statements::locked(const walk::key_range& range, int most) const {
    walk::bound_sql sql = wanted_in(range);
    const walk::bound_sql rows = walk::range_predicate(of_->key, range, walk::side::read, "s");
    sql.sql = fmt::format(
        "WITH free AS MATERIALIZED ({} FOR {} OF s SKIP LOCKED) SELECT {} AS key, s.xmax::text AS locker FROM {} AS "
        "s{} AND NOT EXISTS (SELECT FROM free AS f WHERE {}) LIMIT {}",
        sql.sql, of_->keys_change ? "UPDATE" : "NO KEY UPDATE", keys("s", true), of_->from(),
        and_wanted(rows, is_wanted()), same_key("s", "f"), most);
    return sql;
}

walk::bound_sql statements::left(const walk::key_range& range, const std::string& looked_in,
                                 const std::string& saw) const {
    walk::bound_sql sql = walk::range_predicate(of_->key, range, walk::side::read, "s");
    const std::size_t next = sql.values.size() + 1;
    // A row shows the last 32 bits of the transaction that wrote it: at most four thousand million ago.
    sql.sql = fmt::format(
        "SELECT count(*) FILTER (WHERE known) AS known, count(*) FILTER (WHERE NOT known) AS since, "
        "(array_agg(key) FILTER (WHERE known))[1:10] AS keys FROM (SELECT x.key, "
        "x.writer::text = ${0} OR pg_visible_in_snapshot(CAST(x.writer::text AS xid8), CAST(${1} AS pg_snapshot)) AS "
        "known FROM (SELECT {2} AS key, "
        "now.xid - ((now.xid - CAST(s.xmin::text AS bigint)) & 4294967295) AS writer FROM {3} AS s CROSS JOIN "
        "(SELECT CAST(pg_snapshot_xmax(pg_current_snapshot())::text AS bigint)) AS now (xid){4}) AS x) AS y",
        next, next + 1, keys("s", true), of_->from(), and_wanted(sql, is_wanted()));
    sql.values.emplace_back(looked_in);
    sql.values.emplace_back(saw);
    return sql;
}

walk::bound_sql statements::differing(const walk::key_range& range) const {
    walk::bound_sql sql = walk::range_predicate(of_->key, range, walk::side::read, "s");
    sql.sql = fmt::format(
        "SELECT count(*) AS differing, (array_agg(key))[1:10] AS keys FROM (SELECT {} AS key FROM {} AS s{}) AS x",
        keys("s", true), of_->from(), and_wanted(sql, is_wanted()));
    return sql;
}

walk::bound_sql statements::count(const walk::key_range& range) const {
    walk::bound_sql sql = walk::range_predicate(of_->key, range, walk::side::read, "s");
    sql.sql = fmt::format("SELECT count(*) FROM {} AS s{}", of_->from(), sql.sql);
    return sql;
}

walk::bound_sql statements::describe(const walk::key_range& range) const {
    walk::bound_sql sql = walk::range_predicate(of_->key, range, walk::side::read, "s");
    sql.sql = fmt::format("SELECT {} FROM {} AS s{} LIMIT 1", keys("s", true), of_->from(), sql.sql);
    return sql;
}

}  // namespace pgeist::fill
