#pragma once

#include <string>
#include <vector>

#include "support/sync_connection.hpp"

namespace pgeist::test {

/// Each row of a table in its text form, which shows every byte that the type's equality may not tell apart (1.0 and
/// 1.00, -0.0, '1 day' and '24 hours'); sorted by bytes. `table` is SQL text.
std::vector<std::string> rows_of(sync_connection& connection, const std::string& table);

/// What stands in one table and not in the other, duplicates counted, as "only in A: (…)" lines; at most `limit` lines.
/// `columns` restricts and orders the columns compared (SQL text, default all of each table in its own order).
std::vector<std::string> differing_rows(sync_connection& connection, const std::string& left, const std::string& right,
                                        const std::string& columns = "*", int limit = 20);

/// Number of rows, and one checksum over all of them in byte order.
std::string table_digest(sync_connection& connection, const std::string& table);

}  // namespace pgeist::test
