#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/pg/inquiry.hpp"
#include "pgeist/pg/statement.hpp"
#include "pgeist/transfer/spec.hpp"

namespace pgeist::capture {

/// Whose the transfer's schema is, quoted. What is made in it later, perhaps by another role, is to be his too:
/// otherwise the role that began could not go on with it any more.
[[nodiscard]] awaitable<std::string> owner_of_job(pg::connection& session, const transfer::spec& transfer);

/// Common name of the triggers of a job: `pgeist_7`.
[[nodiscard]] std::string trigger_prefix(const transfer::spec& transfer);

/// The attribute numbers of the key's columns, in the key's order.
using key_numbers = std::vector<std::int64_t>;

/// Those of `table`, which is the read side or will be. @throws error when a column is not there
[[nodiscard]] awaitable<key_numbers> read_key_numbers(pg::connection& session, const transfer::spec& transfer,
                                                      qualified_name table);

/// Creates log, helper tables and trigger functions in the job's schema. No lock on the read side.
[[nodiscard]] std::string log_sql(const transfer::spec& transfer, const key_numbers& numbers);

/// For a log made by an earlier version, whose triggers are not there yet: the functions that triggers_sql() calls.
[[nodiscard]] awaitable<void> ensure_functions(pg::connection& session, const transfer::spec& transfer);

/// Puts a new, empty log in the place of the log, with its owner and rights. To be run under ACCESS EXCLUSIVE on it.
[[nodiscard]] std::string log_anew_sql(const transfer::spec& transfer);
/// Puts what is in the log before into the new one, and marks the one before as void.
[[nodiscard]] std::string log_whole_sql(const transfer::spec& transfer);

/// Creates the triggers and enables them always. To be run in the transaction that holds SHARE ROW EXCLUSIVE on the
/// source.
[[nodiscard]] std::string triggers_sql(const transfer::spec& transfer);

/// Creates the triggers on `table`, which is the read side before it gets its name, switched off: nothing is captured
/// until enable_sql(). To be run in a transaction that holds SHARE ROW EXCLUSIVE on it (CREATE TRIGGER takes that).
[[nodiscard]] std::string dormant_triggers_sql(const transfer::spec& transfer, const qualified_name& table);

/// One ALTER TABLE that enables the triggers always, for the swap's transaction: what is written to `table` from its
/// commit on is captured. Takes SHARE ROW EXCLUSIVE on `table`. No semicolon.
[[nodiscard]] std::string enable_sql(const transfer::spec& transfer, const qualified_name& table);

/// Ends capture without a lock on the read side, by functions that do nothing: writers use them from their next
/// statement on, those that are in the middle of one may still log its keys. What is in the log afterwards is not all.
/// To be run by an owner of the functions; the triggers can be dropped any time later. Where the schema is gone nothing
/// is done. Goes back by log_sql()'s functions only, with everything compared anew.
[[nodiscard]] std::string switch_off_sql(const transfer::spec& transfer);

/// Drops the triggers that are there. To be run in a transaction that holds ACCESS EXCLUSIVE on `table`.
[[nodiscard]] std::vector<pg::statement> drop_triggers(const transfer::spec& transfer, const qualified_name& table);
/// The same as one script.
[[nodiscard]] std::string drop_triggers_sql(const transfer::spec& transfer, const qualified_name& table);

/// Why not all that is written to the read side is logged, if so: triggers that are not there or not enabled always,
/// functions switched off; and, where rows are set apart, statements whose keys could not be logged. No lock.
[[nodiscard]] awaitable<std::optional<std::string>> why_not_in_place(pg::connection& session,
                                                                     const transfer::spec& transfer);
/// The same where several read sides are looked at together.
[[nodiscard]] awaitable<std::optional<std::string>> why_not_in_place(pg::inquiry& ask, const transfer::spec& transfer);
[[nodiscard]] awaitable<bool> in_place(pg::connection& session, const transfer::spec& transfer);

/// @throws error when why_not_in_place() says so. No lock.
[[nodiscard]] awaitable<void> require_in_place(pg::connection& session, const transfer::spec& transfer);
[[nodiscard]] awaitable<void> require_in_place(pg::inquiry& ask, const transfer::spec& transfer);

/// How many TRUNCATEs of the read side have been committed and not yet been dealt with. Statements of which the keys
/// could not be logged count as such, except where rows are set apart: there the write side must not be filled anew,
/// and why_not_in_place() says it.
[[nodiscard]] awaitable<std::int64_t> truncations(pg::connection& session, const transfer::spec& transfer);
/// The question it asks: one row, one number.
[[nodiscard]] std::string truncations_sql(const transfer::spec& transfer);

/// ` WHERE …`, or nothing: the rows of transfer::spec::truncations() that truncations() counts.
[[nodiscard]] std::string not_missed(const transfer::spec& transfer);

/// Bytes of the change log.
[[nodiscard]] awaitable<std::int64_t> log_bytes(pg::connection& session, const transfer::spec& transfer);

}  // namespace pgeist::capture
