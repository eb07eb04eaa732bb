#pragma once

#include "pgeist/transfer/shared/workspace.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::copy {

/// Copies the rows of one range of keys and records it, in one transaction of `session`. Locks: ACCESS SHARE on the
/// source.
/// @returns rows copied. @throws error naming key and value when a row cannot be converted or violates the target
/// schema
[[nodiscard]] awaitable<std::int64_t> copy_chunk(transfer::workspace& work, pg::connection& session,
                                                 walk::key_range range);

/// What comes behind FROM for the rows of a range, in the order in which they are copied; named `s`.
[[nodiscard]] walk::bound_sql rows_sql(const transfer::spec& transfer, const walk::key_range& range);

/// The statement of copy_chunk(), for tests of its plan.
[[nodiscard]] walk::bound_sql chunk_sql(const transfer::spec& transfer, const walk::key_range& range);

/// Copies everything that is not yet copied: one chunker, `settings.workers` workers, chunk size by time. Returns when
/// every key range is committed. @throws transfer::source_truncated
[[nodiscard]] awaitable<void> copy_all(transfer::workspace& work);

/// Settings of a session that copies or replays: commits that need not reach the disk at once (a lost chunk is a chunk
/// not checkpointed), index scans along the key.
[[nodiscard]] awaitable<void> prepare_worker(pg::connection& session, const run::settings& settings);

}  // namespace pgeist::copy
