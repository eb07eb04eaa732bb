#pragma once

#include "keep_sql.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/pg/sql_error.hpp"

namespace pgeist::replay {

/// apply() for a transfer whose rows are set apart where they do not fit. In a REPEATABLE READ transaction, or under a
/// lock that keeps writers out. What does not fit ends nothing: it is found by halves, in savepoints.
///
/// Takes the whole visible log although `rows` is a part of it where parts would lose something: when a key was
/// changed, since the row's old key may be in one part and its new one in another (what the write side has of it would
/// be gone when it is asked for); and as long as rows are in each other's way, since any of them may have been mended.
/// @returns log rows taken
/// @throws cut_in_two where other sessions have other shares, so that the whole cannot be taken here
/// @throws sql_error for a unique violation of a part, which the whole may not have; and for all that is not the data's
/// fault
[[nodiscard]] awaitable<std::int64_t> apply_keeping(pg::connection& session, const transfer::spec& transfer,
                                                    selection rows);

/// delete_sql() in ranges of the log: the places of the rows found are kept in memory. A key in two of them does no
/// harm here; it would in the INSERT.
[[nodiscard]] awaitable<void> delete_rows(pg::connection& session, const transfer::spec& transfer, selection rows);

/// Whether a row is at fault: what conversions, constraints and functions say, and a value too large for an index.
[[nodiscard]] bool does_not_fit(const pg::sql_error& failure);

/// Marks the rows of the batch that are in each other's way, or in that of rows which the write side has and the batch
/// did not: those become part of it, marked too. Takes all of them out of the write side.
/// @returns how many were marked
[[nodiscard]] awaitable<std::int64_t> mark_conflicts(pg::connection& session, const transfer::spec& transfer,
                                                     std::int64_t rows);

}  // namespace pgeist::replay
