#include "pgeist/transfer/verify/verify_sql.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "pgeist/transfer/image.hpp"
#include "pgeist/transfer/touched.hpp"
#include "pgeist/walk/key_values.hpp"

namespace pgeist::verify {

namespace {

template <class Function>
std::string each_key(const walk::key& key, const char* separator, Function function) {
    std::vector<std::string> items;
    for (std::size_t at = 0; at < key.columns.size(); ++at) {
        items.push_back(function(key.columns[at], at + 1));
    }
    return join(items, separator);
}

/// Hash functions of 64 bits that can be called by name, are cheap, and take the type as it is.
std::string hash_function(const std::string& type) {
    static const std::map<std::string, std::string> functions{
        {"smallint", "hashint2extended"},     {"integer", "hashint4extended"},
        {"bigint", "hashint8extended"},       {"oid", "hashoidextended"},
        {"text", "hashtextextended"},         {"character varying", "hashtextextended"},
        {"uuid", "uuid_hash_extended"},       {"timestamp without time zone", "timestamp_hash_extended"},
        {"numeric", "hash_numeric_extended"},
    };
    const auto found = functions.find(type);
    return found == functions.end() ? "" : found->second;
}

bool is_text(const std::string& type) { return type == "text" || type == "character varying"; }

/// `ROW("id", …)::job.pgeist_read_row`. A column without a name is not there any more.
std::string row_value(const std::vector<std::string>& columns, const qualified_name& type) {
    std::vector<std::string> values;
    for (const std::string& column : columns) {
        values.push_back(column.empty() ? "NULL" : quote_identifier(column));
    }
    return fmt::format("ROW({})::{}", join(values, ", "), type.sql());
}

std::vector<std::string> names(const transfer::spec& transfer) {
    std::vector<std::string> all;
    for (const transfer::column& column : transfer.columns) {
        all.push_back(column.name);
    }
    return all;
}

}  // namespace

std::string is_set_apart(const transfer::spec& transfer, const std::string& alias) {
    return fmt::format("EXISTS (SELECT FROM {} AS u WHERE {})", transfer.unfit().sql(),
                       walk::log_equals_log(transfer.key, "u", alias));
}

statements::statements(const transfer::spec& transfer) : transfer_(&transfer) {}

std::vector<statements::compared> statements::compared_columns() const {
    std::vector<compared> all;
    int number = 0;
    for (const transfer::column& column : transfer_->columns) {
        ++number;
        if (!column.compared) {
            continue;
        }
        compared each;
        each.name = fmt::format("c{}", all.size() + 1);
        each.column = &column;
        each.write_value = quote_identifier(column.name);
        each.type = transfer::without_length(column.type);
        if (column.inverse && !column.proven) {
            each.number = number;
            each.read_value = row_value(transfer_->read_columns, transfer_->read_row());
            each.write_value = row_value(names(*transfer_), transfer_->write_row());
            each.type.clear();
        } else if (column.inverse) {
            // What was brought was proven by it, and it fails for no value of the write side, as the conversion might
            // for one of the read side that does not fit.
            each.read_value = quote_identifier(*column.read_name);
            each.write_value = fmt::format("CAST({} AS {})", *column.inverse, column.read_type);
            each.type = transfer::without_length(column.read_type);
        } else if (column.expression) {
            each.read_value = fmt::format("CAST({} AS {})", *column.expression, column.type);
        } else if (column.read_name) {
            each.read_value = quote_identifier(*column.read_name);  // generated on both sides
        } else {
            each.read_value = fmt::format("CAST(NULL AS {})", column.type);  // new, without a default
        }
        const auto& key = transfer_->key.columns;
        each.in_key =
            std::any_of(key.begin(), key.end(), [&](const auto& part) { return part.write_name == column.name; });
        all.push_back(std::move(each));
    }
    return all;
}

std::string statements::values(walk::side of) const {
    std::string out;
    for (const compared& each : compared_columns()) {
        out += fmt::format(", {} AS {}", of == walk::side::write ? each.write_value : each.read_value, each.name);
    }
    return out;
}

std::string statements::difference() const {
    std::string out = "(s.present IS NULL OR t.present IS NULL";
    for (const compared& each : compared_columns()) {
        out += " OR " + difference_in(each);
    }
    return out + ")";
}

std::string statements::difference_in(const compared& each) const {
    if (each.number != 0) {
        return fmt::format("{}.pgeist_fits_{}(s.{}, t.{}) IS NOT TRUE", quote_identifier(transfer_->schema),
                           each.number, each.name, each.name);
    }
    // What comes of a conversion and its inverse has the value's scale from the other side.
    const auto differs = each.column->inverse ? transfer::value_differs : transfer::image_differs;
    return differs(each.type, "s." + each.name, "t." + each.name);
}

std::vector<statements::compared> statements::hashed_columns() const {
    // Of each side one value a column is handed on, and the server has a limit of 1664 of them.
    constexpr int most = 100;
    std::vector<compared> all;
    int others = 0;
    for (compared& each : compared_columns()) {
        if (each.in_key || (!hash_function(each.type).empty() && ++others <= most)) {
            all.push_back(std::move(each));
        }
    }
    return all;
}

std::string statements::hash(const std::string& prefix) const {
    std::vector<std::string> parts;
    for (const compared& each : hashed_columns()) {
        const std::string function = hash_function(each.type);
        const bool by_text = function.empty() || is_text(each.type);
        parts.push_back(fmt::format("coalesce({}({}{}{}, {}), 0)", function.empty() ? "hashtextextended" : function,
                                    prefix, each.name, by_text ? "::text COLLATE \"C\"" : "", parts.size()));
    }
    return parts.empty() ? "0" : "(" + join(parts, " # ") + ")";
}

walk::bound_sql statements::joined(const walk::key_range& range, const std::string& select) const {
    const walk::key& key = transfer_->key;
    walk::bound_sql source = walk::range_predicate(key, range, walk::side::read, "s");
    const std::string key_columns = each_key(key, ", ", [](const walk::key_column& column, std::size_t number) {
        return fmt::format("s.{} AS k{}", quote_identifier(column.read_name), number);
    });
    const std::string left = fmt::format("SELECT {}, true AS present{} FROM ONLY {} AS s{}", key_columns,
                                         values(walk::side::read), transfer_->read.name.sql(), source.sql);
    const std::string right_columns = each_key(key, ", ", [](const walk::key_column& column, std::size_t number) {
        return fmt::format("t.{} AS k{}", quote_identifier(column.write_name), number);
    });
    const std::string right =
        fmt::format("SELECT {}, true AS present{} FROM {} AS t{}", right_columns, values(walk::side::write),
                    transfer_->write.name.sql(), walk::range_predicate(key, range, walk::side::write, "t").sql);
    std::string sql = fmt::format("SELECT {} FROM ({}) AS s FULL JOIN ({}) AS t ON {}", select, left, right,
                                  walk::log_equals_log(key, "s", "t"));
    return walk::bound_sql{std::move(sql), std::move(source.values)};
}

walk::bound_sql statements::compare(const walk::key_range& range) const {
    std::string select = "s.present AS in_read, t.present AS in_write, " + difference() + " AS differs";
    for (const compared& each : hashed_columns()) {
        select += fmt::format(", s.{0} AS s_{0}, t.{0} AS t_{0}", each.name);
    }
    walk::bound_sql sql = joined(range, select);
    // Rows that are the same have the same hash: the read side's checksum needs only the write side's hashes and those
    // of the rows that differ. Half the cost of hashing both sides. Columns that are expensive to hash are left out:
    // the checksum is a record of what was compared, the comparison is the proof. OFFSET 0 keeps the comparison from
    // being evaluated once for each use.
    sql.sql = fmt::format(
        "SELECT count(in_read) AS read_rows, count(in_write) AS write_rows, "
        "count(*) FILTER (WHERE differs) AS differing, coalesce(sum({0}) FILTER (WHERE in_write), 0) AS "
        "write_checksum, coalesce(sum({0}) FILTER (WHERE in_write), 0) "
        "- coalesce(sum({0}) FILTER (WHERE in_write AND differs), 0) "
        "+ coalesce(sum({1}) FILTER (WHERE in_read AND differs), 0) AS checksum FROM ({2} OFFSET 0) AS c",
        hash("t_"), hash("s_"), sql.sql);
    return sql;
}

walk::bound_sql statements::list_differences(const walk::key_range& range) const {
    const walk::key& key = transfer_->key;
    const std::string keys = each_key(key, ", ", [&](const walk::key_column& column, std::size_t number) {
        return fmt::format("coalesce(s.k{0}, t.k{0}::{1}) AS k{0}", number, column.type);
    });
    walk::bound_sql sql = joined(range, keys);
    const std::string columns = walk::log_columns(key);
    sql.sql = fmt::format(
        "WITH differing AS ({0} WHERE {1}), "
        "found AS (INSERT INTO {2} ({3}, repaired) SELECT {3}, NOT EXISTS (SELECT FROM {4} AS l WHERE {5}) FROM "
        "differing AS d{7} RETURNING {3}, repaired) "
        "INSERT INTO {4} ({3}{8}) SELECT {3}{9} FROM found WHERE repaired RETURNING {6}",
        sql.sql, difference(), transfer_->recheck().sql(), columns, transfer_->log().sql(),
        walk::log_equals_log(key, "l", "d"), walk::readable_log_columns(key, "pgeist_log"),
        transfer_->sets_apart ? " WHERE NOT " + is_set_apart(*transfer_, "d") : "", transfer::asked_column(*transfer_),
        transfer::asked_value(*transfer_));
    return sql;
}

std::string statements::recheck() const {
    const walk::key& key = transfer_->key;
    const std::string columns = walk::log_columns(key);
    const std::string read =
        fmt::format("SELECT true AS present{} FROM ONLY {} AS s WHERE {}", values(walk::side::read),
                    transfer_->read.name.sql(), walk::read_equals_log(key, "s", "r"));
    const std::string written = fmt::format("SELECT true AS present{} FROM {} AS t WHERE {}", values(walk::side::write),
                                            transfer_->write.name.sql(), walk::write_equals_log(key, "t", "r"));
    const std::string as_text = each_key(key, " || ', ' || ", [](const walk::key_column& column, std::size_t number) {
        return fmt::format("format('%s', {})", walk::readable(column, fmt::format("k{}", number)));
    });
    return fmt::format(
        "WITH looked_at AS MATERIALIZED (SELECT r.ctid AS place, r.*, "
        "  EXISTS (SELECT FROM {0} AS l WHERE {1}) AS pending, "
        "  s.present IS NULL AND t.present IS NULL OR NOT {8}{10} AS same, "
        "  CASE WHEN r.repaired AND s.present AND t.present THEN {9} END AS differing "
        "  FROM {2} AS r LEFT JOIN LATERAL ({3}) AS s ON true LEFT JOIN LATERAL ({4}) AS t ON true), "
        "forgotten AS (DELETE FROM {2} WHERE ctid IN (SELECT place FROM looked_at WHERE same IS TRUE)), "
        "marked AS (UPDATE {2} AS r SET repaired = true FROM looked_at AS a WHERE r.ctid = a.place AND a.same IS NOT "
        "TRUE "
        "  AND NOT a.pending AND NOT a.repaired RETURNING {5}), "
        "queued AS (INSERT INTO {0} ({6}{11}) SELECT {6}{12} FROM marked RETURNING 1) "
        "SELECT count(*) FILTER (WHERE same) AS same, count(*) FILTER (WHERE same IS NOT TRUE AND pending) AS pending, "
        "  (SELECT count(*) FROM queued) AS repaired, "
        "  count(*) FILTER (WHERE same IS NOT TRUE AND (repaired OR NOT pending)) AS open, "
        "  (array_agg({7}) FILTER (WHERE same IS NOT TRUE AND NOT pending AND repaired))[1:20] AS failed, "
        "  ARRAY(SELECT DISTINCT c FROM looked_at AS a, unnest(a.differing) AS c "
        "         WHERE a.same IS NOT TRUE AND NOT a.pending AND c IS NOT NULL ORDER BY c) AS differing_columns "
        "FROM looked_at",
        transfer_->log().sql(), walk::log_equals_log(key, "l", "r"), transfer_->recheck().sql(), read, written,
        each_key(key, ", ", [](const walk::key_column&, std::size_t number) { return fmt::format("r.k{}", number); }),
        columns, as_text, difference(), differing_columns(),
        transfer_->sets_apart ? " OR " + is_set_apart(*transfer_, "r") : "", transfer::asked_column(*transfer_),
        transfer::asked_value(*transfer_));
}

std::string statements::differing_columns() const {
    std::vector<std::string> names;
    for (const compared& each : compared_columns()) {
        names.push_back(fmt::format("CASE WHEN {} THEN {} END", difference_in(each), quote_literal(each.column->name)));
    }
    return fmt::format("ARRAY[{}]::text[]", join(names, ", "));
}

}  // namespace pgeist::verify
