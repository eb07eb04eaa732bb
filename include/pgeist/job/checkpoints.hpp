#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/walk/key_range.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::job {

/// What a chunk of rows has come to.
struct chunk_counts {
    std::int64_t rows = 0;
    std::optional<std::int64_t> write_rows;
    std::optional<std::string> checksum;
    std::optional<std::string> write_checksum;
    /// Of the statement that has looked at the chunk (pg_current_snapshot()), recorded with the transaction: rows that
    /// it has seen, or written, are known.
    std::optional<std::string> saw;
};
/// Records a finished chunk; to be called in the chunk's own transaction.
[[nodiscard]] awaitable<void> save_chunk(pg::connection& session, std::int64_t job, const char* kind,
                                         walk::key_range range, chunk_counts counts);
/// The chunks of a kind in key order, and how many rows they hold.
struct finished_chunks {
    walk::finished_ranges ranges;
    std::int64_t rows = 0;
};
[[nodiscard]] awaitable<finished_chunks> load_chunks(pg::connection& session, std::int64_t job, const char* kind,
                                                     const walk::key& key);
/// @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> forget_chunks(pg::connection& session, tenure mine, const char* kind);
/// A finished chunk in which something was found (write_rows), and what chunk_counts::saw has recorded of it.
struct looked_at {
    walk::key_range range;
    std::string looked_in;  ///< xid8
    std::string saw;        ///< pg_snapshot
};
[[nodiscard]] awaitable<std::vector<looked_at>> load_findings(pg::connection& session, std::int64_t job,
                                                              const char* kind);
/// How many rows the finished chunks of a kind hold.
[[nodiscard]] awaitable<std::int64_t> rows_in_chunks(pg::connection& session, std::int64_t job, const char* kind);

}  // namespace pgeist::job
