#include "pgeist/verify/verify_sql.hpp"

#include <algorithm>

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

}  // namespace

statements::statements(const plan::blueprint& plan, std::vector<std::string> hashed_as_text)
    : plan_(&plan), hashed_as_text_(std::move(hashed_as_text)) {}

std::string statements::image(walk::side of, const std::string& alias, bool hashable) const {
    std::vector<std::string> values;
    for (const plan::column& column : plan_->columns) {
        if (!column.compared) {
            continue;
        }
        std::string value;
        if (of == walk::side::shadow) {
            value = alias + "." + quote_identifier(column.name);
        } else if (column.expression) {
            value = fmt::format("CAST({} AS {})", *column.expression, column.type);
        } else if (column.source_name) {
            value = alias + "." + quote_identifier(*column.source_name);  // generated on both sides
        } else {
            value = fmt::format("CAST(NULL AS {})", column.type);  // new, without a default
        }
        const bool as_text =
            std::find(hashed_as_text_.begin(), hashed_as_text_.end(), column.name) != hashed_as_text_.end();
        values.push_back(hashable && as_text ? fmt::format("({})::text", value) : value);
    }
    return fmt::format("ROW({})", join(values, ", "));
}

std::string statements::images(walk::side of, const std::string& alias) const {
    std::string out = image(of, alias, false) + " AS image";
    if (!hashed_as_text_.empty()) {
        out += ", " + image(of, alias, true) + " AS hashed";
    }
    return out;
}

std::string statements::difference() const {
    return "(s.present IS NULL OR t.present IS NULL OR record_image_ne(s.image, t.image))";
}

walk::bound_sql statements::joined(const walk::key_range& range, const std::string& select) const {
    const plan::key& key = plan_->key;
    walk::bound_sql source = walk::range_predicate(key, range, walk::side::source, "s");
    const std::string key_columns = each_key(key, ", ", [](const plan::key_column& column, std::size_t number) {
        return fmt::format("s.{} AS k{}", quote_identifier(column.source_name), number);
    });
    const std::string left = fmt::format("SELECT {}, true AS present, {} FROM ONLY {} AS s{}", key_columns,
                                         images(walk::side::source, "s"), plan_->table.sql(), source.sql);
    const std::string right_columns = each_key(key, ", ", [](const plan::key_column& column, std::size_t number) {
        return fmt::format("t.{} AS k{}", quote_identifier(column.shadow_name), number);
    });
    const std::string right =
        fmt::format("SELECT {}, true AS present, {} FROM {} AS t{}", right_columns, images(walk::side::shadow, "t"),
                    plan_->shadow().sql(), walk::range_predicate(key, range, walk::side::shadow, "t").sql);
    std::string sql = fmt::format("SELECT {} FROM ({}) AS s FULL JOIN ({}) AS t ON {}", select, left, right,
                                  same_log_key(key, "s", "t"));
    return walk::bound_sql{std::move(sql), std::move(source.values)};
}

walk::bound_sql statements::compare(const walk::key_range& range) const {
    const std::string hashed = hashed_as_text_.empty() ? "image" : "hashed";
    // OFFSET 0 keeps the comparison from being evaluated once for each use.
    walk::bound_sql sql = joined(range, fmt::format("s.present AS in_source, t.present AS in_shadow, {0} AS differs, "
                                                    "s.{1} AS source_row, t.{1} AS shadow_row",
                                                    difference(), hashed));
    // Rows whose images are the same have the same hash: the source's checksum needs only the shadow's hashes and those
    // of the rows that differ. Half the cost of hashing both sides.
    sql.sql = fmt::format(
        "SELECT count(in_source) AS source_rows, count(in_shadow) AS shadow_rows, "
        "count(*) FILTER (WHERE differs) AS differing, coalesce(sum({0}(shadow_row, 0)) FILTER (WHERE in_shadow), 0) "
        "AS "
        "shadow_checksum, coalesce(sum({0}(shadow_row, 0)) FILTER (WHERE in_shadow), 0) "
        "- coalesce(sum({0}(shadow_row, 0)) FILTER (WHERE in_shadow AND differs), 0) "
        "+ coalesce(sum({0}(source_row, 0)) FILTER (WHERE in_source AND differs), 0) AS checksum FROM ({1} OFFSET 0) "
        "AS c",
        "hash_record_extended", sql.sql);
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
        fmt::format("SELECT true AS present, {} AS image FROM ONLY {} AS s WHERE {}",
                    image(walk::side::source, "s", false), plan_->table.sql(), walk::source_equals_log(key, "s", "r"));
    const std::string shadow =
        fmt::format("SELECT true AS present, {} AS image FROM {} AS t WHERE {}", image(walk::side::shadow, "t", false),
                    plan_->shadow().sql(), walk::shadow_equals_log(key, "t", "r"));
    const std::string as_text = each_key(key, " || ', ' || ", [](const plan::key_column&, std::size_t number) {
        return fmt::format("k{}::text", number);
    });
    return fmt::format(
        "WITH looked_at AS MATERIALIZED (SELECT r.ctid AS place, r.*, "
        "  EXISTS (SELECT FROM {0} AS l WHERE {1}) AS pending, "
        "  s.present IS NULL AND t.present IS NULL OR s.present AND t.present AND NOT record_image_ne(s.image, "
        "t.image) AS same "
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
        columns, as_text);
}

}  // namespace pgeist::verify
