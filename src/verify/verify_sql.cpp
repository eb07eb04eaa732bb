#include "pgeist/verify/verify_sql.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

namespace pgeist::verify {

namespace {

std::string log_of(const plan::blueprint& plan) { return quote_identifier(plan.job_schema) + ".pgeist_log"; }
std::string recheck_of(const plan::blueprint& plan) { return quote_identifier(plan.job_schema) + ".pgeist_recheck"; }

template <class Function>
std::string each_key(const plan::key& key, const char* separator, Function function) {
    std::vector<std::string> items;
    for (std::size_t at = 0; at < key.columns.size(); ++at) {
        items.push_back(function(key.columns[at], at + 1));
    }
    return join(items, separator);
}

/// `a.k1 = l.k1 AND …` between two relations that both carry the log's columns.
std::string same_log_key(const plan::key& key, const std::string& left, const std::string& right) {
    return each_key(key, " AND ", [&](const plan::key_column& column, std::size_t number) {
        const std::string collate = column.collation.empty() ? "" : " COLLATE " + column.collation;
        return fmt::format("{}.k{}{} {} {}.k{}", left, number, collate, column.equal, right, number);
    });
}

/// Types whose `=` is true only for the same bytes. Numbers with a scale or a negative zero, json, padded text,
/// intervals and everything composed of others are not among them.
statements::equality equality_of(const std::string& type) {
    static const std::set<std::string> plain{"smallint", "integer", "bigint", "oid",  "boolean", "date",
                                             "uuid",     "bytea",   "pg_lsn", "xid8", "money"};
    if (type.ends_with("[]")) {
        return statements::equality::by_image;
    }
    const std::string without_length = type.substr(0, type.find('('));
    if (type == "text" || without_length == "character varying") {
        return statements::equality::as_text;
    }
    const bool is_time =
        type.rfind("timestamp", 0) == 0 || (type.rfind("time", 0) == 0 && type.find("without") != type.npos);
    return is_time || plain.count(type) != 0 ? statements::equality::plain : statements::equality::by_image;
}

}  // namespace

statements::statements(const plan::blueprint& plan, std::vector<std::string> hashed_as_text)
    : plan_(&plan), hashed_as_text_(std::move(hashed_as_text)) {}

std::vector<statements::compared> statements::compared_columns() const {
    std::vector<compared> all;
    for (const plan::column& column : plan_->columns) {
        if (!column.compared) {
            continue;
        }
        compared each;
        each.name = fmt::format("c{}", all.size() + 1);
        each.shadow_value = quote_identifier(column.name);
        if (column.expression) {
            each.source_value = fmt::format("CAST({} AS {})", *column.expression, column.type);
        } else if (column.source_name) {
            each.source_value = quote_identifier(*column.source_name);  // generated on both sides
        } else {
            each.source_value = fmt::format("CAST(NULL AS {})", column.type);  // new, without a default
        }
        each.equality = equality_of(column.type);
        each.hashed_as_text =
            std::find(hashed_as_text_.begin(), hashed_as_text_.end(), column.name) != hashed_as_text_.end();
        all.push_back(std::move(each));
    }
    return all;
}

std::string statements::values(walk::side of) const {
    std::string out;
    for (const compared& each : compared_columns()) {
        out += fmt::format(", {} AS {}", of == walk::side::shadow ? each.shadow_value : each.source_value, each.name);
    }
    return out;
}

std::string statements::difference() const {
    std::string out = "(s.present IS NULL OR t.present IS NULL";
    std::vector<std::string> source_image;
    std::vector<std::string> shadow_image;
    for (const compared& each : compared_columns()) {
        if (each.equality == equality::by_image) {
            source_image.push_back("s." + each.name);
            shadow_image.push_back("t." + each.name);
        } else {
            const char* collate = each.equality == equality::as_text ? " COLLATE \"C\"" : "";
            out += fmt::format(" OR s.{0}{1} IS DISTINCT FROM t.{0}{1}", each.name, collate);
        }
    }
    if (!source_image.empty()) {
        out += fmt::format(" OR record_image_ne(ROW({}), ROW({}))", join(source_image, ", "), join(shadow_image, ", "));
    }
    return out + ")";
}

std::string statements::hash(const std::string& prefix) const {
    std::vector<std::string> parts;
    for (const compared& each : compared_columns()) {
        parts.push_back(prefix + each.name + (each.hashed_as_text ? "::text" : ""));
    }
    return fmt::format("hash_record_extended(ROW({}), 0)", join(parts, ", "));
}

walk::bound_sql statements::joined(const walk::key_range& range, const std::string& select) const {
    const plan::key& key = plan_->key;
    walk::bound_sql source = walk::range_predicate(key, range, walk::side::source, "s");
    const std::string key_columns = each_key(key, ", ", [](const plan::key_column& column, std::size_t number) {
        return fmt::format("s.{} AS k{}", quote_identifier(column.source_name), number);
    });
    const std::string left = fmt::format("SELECT {}, true AS present{} FROM ONLY {} AS s{}", key_columns,
                                         values(walk::side::source), plan_->table.sql(), source.sql);
    const std::string right_columns = each_key(key, ", ", [](const plan::key_column& column, std::size_t number) {
        return fmt::format("t.{} AS k{}", quote_identifier(column.shadow_name), number);
    });
    const std::string right =
        fmt::format("SELECT {}, true AS present{} FROM {} AS t{}", right_columns, values(walk::side::shadow),
                    plan_->shadow().sql(), walk::range_predicate(key, range, walk::side::shadow, "t").sql);
    std::string sql = fmt::format("SELECT {} FROM ({}) AS s FULL JOIN ({}) AS t ON {}", select, left, right,
                                  same_log_key(key, "s", "t"));
    return walk::bound_sql{std::move(sql), std::move(source.values)};
}

walk::bound_sql statements::compare(const walk::key_range& range) const {
    std::string select = "s.present AS in_source, t.present AS in_shadow, " + difference() + " AS differs";
    for (const compared& each : compared_columns()) {
        select += fmt::format(", s.{0} AS s_{0}, t.{0} AS t_{0}", each.name);
    }
    walk::bound_sql sql = joined(range, select);
    // Rows that are the same have the same hash: the source's checksum needs only the shadow's hashes and those of the
    // rows that differ. Half the cost of hashing both sides. OFFSET 0 keeps the comparison from being evaluated once
    // for each use.
    sql.sql = fmt::format(
        "SELECT count(in_source) AS source_rows, count(in_shadow) AS shadow_rows, "
        "count(*) FILTER (WHERE differs) AS differing, coalesce(sum({0}) FILTER (WHERE in_shadow), 0) AS "
        "shadow_checksum, coalesce(sum({0}) FILTER (WHERE in_shadow), 0) "
        "- coalesce(sum({0}) FILTER (WHERE in_shadow AND differs), 0) "
        "+ coalesce(sum({1}) FILTER (WHERE in_source AND differs), 0) AS checksum FROM ({2} OFFSET 0) AS c",
        hash("t_"), hash("s_"), sql.sql);
    return sql;
}

walk::bound_sql statements::list_differences(const walk::key_range& range) const {
    const plan::key& key = plan_->key;
    const std::string keys = each_key(key, ", ", [&](const plan::key_column& column, std::size_t number) {
        return fmt::format("coalesce(s.k{0}, t.k{0}::{1}) AS k{0}", number, column.type);
    });
    walk::bound_sql sql = joined(range, keys);
    const std::string columns = walk::log_columns(key);
    const std::string texts = each_key(
        key, ", ", [](const plan::key_column&, std::size_t number) { return fmt::format("k{}::text", number); });
    sql.sql = fmt::format(
        "WITH differing AS ({0} WHERE {1}), "
        "found AS (INSERT INTO {2} ({3}, repaired) SELECT {3}, NOT EXISTS (SELECT FROM {4} AS l WHERE {5}) FROM "
        "differing AS d "
        "RETURNING {3}, repaired) "
        "INSERT INTO {4} ({3}) SELECT {3} FROM found WHERE repaired RETURNING {6}",
        sql.sql, difference(), recheck_of(*plan_), columns, log_of(*plan_), same_log_key(key, "l", "d"), texts);
    return sql;
}

std::string statements::recheck() const {
    const plan::key& key = plan_->key;
    const std::string columns = walk::log_columns(key);
    const std::string source =
        fmt::format("SELECT true AS present{} FROM ONLY {} AS s WHERE {}", values(walk::side::source),
                    plan_->table.sql(), walk::source_equals_log(key, "s", "r"));
    const std::string shadow = fmt::format("SELECT true AS present{} FROM {} AS t WHERE {}", values(walk::side::shadow),
                                           plan_->shadow().sql(), walk::shadow_equals_log(key, "t", "r"));
    const std::string as_text = each_key(key, " || ', ' || ", [](const plan::key_column&, std::size_t number) {
        return fmt::format("k{}::text", number);
    });
    return fmt::format(
        "WITH looked_at AS MATERIALIZED (SELECT r.ctid AS place, r.*, "
        "  EXISTS (SELECT FROM {0} AS l WHERE {1}) AS pending, "
        "  s.present IS NULL AND t.present IS NULL OR NOT {8} AS same "
        "  FROM {2} AS r LEFT JOIN LATERAL ({3}) AS s ON true LEFT JOIN LATERAL ({4}) AS t ON true), "
        "forgotten AS (DELETE FROM {2} WHERE ctid IN (SELECT place FROM looked_at WHERE same IS TRUE)), "
        "marked AS (UPDATE {2} AS r SET repaired = true FROM looked_at AS a WHERE r.ctid = a.place AND a.same IS NOT "
        "TRUE "
        "  AND NOT a.pending AND NOT a.repaired RETURNING {5}), "
        "queued AS (INSERT INTO {0} ({6}) SELECT {6} FROM marked RETURNING 1) "
        "SELECT count(*) FILTER (WHERE same) AS same, count(*) FILTER (WHERE same IS NOT TRUE AND pending) AS pending, "
        "  (SELECT count(*) FROM queued) AS repaired, "
        "  (array_agg({7}) FILTER (WHERE same IS NOT TRUE AND NOT pending AND repaired))[1:20] AS failed FROM "
        "looked_at",
        log_of(*plan_), same_log_key(key, "l", "r"), recheck_of(*plan_), source, shadow,
        each_key(key, ", ", [](const plan::key_column&, std::size_t number) { return fmt::format("r.k{}", number); }),
        columns, as_text, difference());
}

}  // namespace pgeist::verify
