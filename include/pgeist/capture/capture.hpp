#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/blueprint.hpp"

namespace pgeist::capture {

/// Whose the job's schema is, quoted. What is made in it later in the run, perhaps by another role, is to be his too:
/// otherwise the role that began the job could not go on with it any more.
[[nodiscard]] awaitable<std::string> owner_of_job(pg::connection& session, const plan::blueprint& plan);

/// Common name of the triggers of a job: `pgeist_7`.
[[nodiscard]] std::string trigger_prefix(const plan::blueprint& plan);

/// Creates log, helper tables and trigger functions in the job's schema. No lock on the source.
[[nodiscard]] std::string log_sql(const plan::blueprint& plan);

/// Puts a new, empty log in the place of the log, with its owner and rights. To be run under ACCESS EXCLUSIVE on it.
[[nodiscard]] std::string log_anew_sql(const plan::blueprint& plan);
/// Puts what is in the log before into the new one, and marks the one before as void.
[[nodiscard]] std::string log_whole_sql(const plan::blueprint& plan);

/// Creates the triggers and enables them always. To be run in the transaction that holds SHARE ROW EXCLUSIVE on the
/// source.
[[nodiscard]] std::string triggers_sql(const plan::blueprint& plan);

/// Drops the triggers that are there. To be run in a transaction that holds ACCESS EXCLUSIVE on `table`.
[[nodiscard]] std::vector<plan::statement> drop_triggers(const plan::blueprint& plan, const qualified_name& table);
/// The same as one script.
[[nodiscard]] std::string drop_triggers_sql(const plan::blueprint& plan, const qualified_name& table);

/// Whether all triggers of the job are on the source, enabled always. No lock.
[[nodiscard]] awaitable<bool> in_place(pg::connection& session, const plan::blueprint& plan);

/// @throws error when not all triggers of the job are on the source, enabled always. No lock.
[[nodiscard]] awaitable<void> require_in_place(pg::connection& session, const plan::blueprint& plan);

/// That the name still means the table the job was made for. Certain until the end of a transaction that has locked
/// the table of that name. @throws error naming the table
[[nodiscard]] awaitable<void> require_name(pg::connection& session, const plan::blueprint& plan);

/// That the name still means the table the job was made for, and that nobody has changed
/// its definition. Certain under a lock on the source only. @throws error naming the table
[[nodiscard]] awaitable<void> require_unchanged(pg::connection& session, const plan::blueprint& plan);

/// How many TRUNCATEs of the source have been committed and not yet been dealt with.
[[nodiscard]] awaitable<std::int64_t> truncations(pg::connection& session, const plan::blueprint& plan);

/// Bytes of the change log.
[[nodiscard]] awaitable<std::int64_t> log_bytes(pg::connection& session, const plan::blueprint& plan);

}  // namespace pgeist::capture
