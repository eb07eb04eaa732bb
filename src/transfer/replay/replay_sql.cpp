#include "pgeist/transfer/replay/replay_sql.hpp"

#include <fmt/format.h>

#include "pgeist/transfer/copy/transfer_sql.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::replay {

namespace {

/// The selected keys, each once: replay works from the current row, however often it was changed.
std::string keys_sql(const transfer::spec& transfer, const selection& rows) {
    return fmt::format("SELECT DISTINCT {} FROM {} AS l{}", walk::log_columns(transfer.key), transfer.log().sql(),
                       condition(transfer, rows));
}

/// How the rows are found is the planner's choice.
std::string delete_by_key_sql(const transfer::spec& transfer, const selection& rows) {
    return fmt::format("DELETE FROM {} AS t USING ({}) AS b WHERE {}", transfer.write.name.sql(),
                       keys_sql(transfer, rows), walk::write_equals_log(transfer.key, "t", "b"));
}

}  // namespace

std::string condition(const transfer::spec& transfer, const selection& rows) {
    std::vector<std::string> conditions;
    if (rows.within) {
        conditions.push_back(
            fmt::format("l.ctid >= '({},0)'::tid AND l.ctid < '({},0)'::tid", rows.within->first, rows.within->last));
    }
    if (rows.part.count > 1) {
        std::vector<std::string> columns;
        for (std::size_t at = 0; at < transfer.key.columns.size(); ++at) {
            columns.push_back(fmt::format("l.k{}", at + 1));
        }
        conditions.push_back(fmt::format("(hash_record_extended(ROW({}), 0) & 2147483647) % {} = {}",
                                         join(columns, ", "), rows.part.count, rows.part.number));
    }
    return conditions.empty() ? std::string() : " WHERE " + join(conditions, " AND ");
}

// LATERAL and OFFSET 0 leave only one way to find the rows, by the key's index: what the planner knows of a write side
// that replay is filling is long out of date, and a join in the other direction reads all keys again for each of its
// rows.
std::string delete_sql(const transfer::spec& transfer, const selection& rows) {
    if (transfer.write.has_leaves) {
        return delete_by_key_sql(transfer, rows);
    }
    return fmt::format(
        "DELETE FROM {0} AS t WHERE t.ctid = ANY (ARRAY(SELECT f.ctid FROM ({1}) AS b CROSS JOIN LATERAL (SELECT "
        "t.ctid "
        "FROM {0} AS t WHERE {2} OFFSET 0) AS f))",
        transfer.write.name.sql(), keys_sql(transfer, rows), walk::write_equals_log(transfer.key, "t", "b"));
}

std::string insert_sql(const transfer::spec& transfer, const selection& rows) {
    const std::string from = fmt::format(
        "(SELECT f.* FROM ({}) AS b CROSS JOIN LATERAL (SELECT s.* FROM ONLY {} AS s WHERE {} OFFSET 0) AS f) AS s",
        keys_sql(transfer, rows), transfer.read.name.sql(), walk::read_equals_log(transfer.key, "s", "b"));
    return copy::transfer_sql(transfer, from);
}

std::string delete_without_index_sql(const transfer::spec& transfer) {
    return delete_by_key_sql(transfer, selection());
}

std::string forget_sql(const transfer::spec& transfer, const selection& rows) {
    return fmt::format("DELETE FROM {} AS l{}", transfer.log().sql(), condition(transfer, rows));
}

}  // namespace pgeist::replay
