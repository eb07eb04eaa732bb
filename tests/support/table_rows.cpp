#include "support/table_rows.hpp"

namespace pgeist::test {

std::vector<std::string> rows_of(sync_connection& connection, const std::string& table) {
    std::vector<std::string> rows;
    for (const row& line :
         connection.query("SELECT t::text FROM " + table + " AS t ORDER BY t::text COLLATE \"C\"").rows) {
        rows.push_back(line[0].value_or("NULL"));
    }
    return rows;
}

std::vector<std::string> differing_rows(sync_connection& connection, const std::string& left, const std::string& right,
                                        const std::string& columns, int limit) {
    const auto images = [&](const std::string& table) {
        return "SELECT x::text COLLATE \"C\" AS image FROM (SELECT " + columns + " FROM " + table + ") AS x";
    };
    const std::string only = "(SELECT " + connection.literal("only in " + left + ": ") + " || image FROM (" +
                             images(left) + " EXCEPT ALL " + images(right) + ") AS l) UNION ALL (SELECT " +
                             connection.literal("only in " + right + ": ") + " || image FROM (" + images(right) +
                             " EXCEPT ALL " + images(left) + ") AS r) LIMIT " + std::to_string(limit);
    std::vector<std::string> differences;
    for (const row& line : connection.query(only).rows) {
        differences.push_back(line[0].value_or("NULL"));
    }
    return differences;
}

std::string table_digest(sync_connection& connection, const std::string& table) {
    return connection.scalar(
        "SELECT count(*) || ' rows ' || coalesce(md5(string_agg(md5(t::text), '' ORDER BY t::text COLLATE \"C\")), '') "
        "FROM " +
        table + " AS t");
}

}  // namespace pgeist::test
