#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/fill/workspace.hpp"
#include "pgeist/walk/key_range.hpp"
#include "statements.hpp"

namespace pgeist::fill {

/// What one chunk has come to.
struct chunk_result {
    std::int64_t found = 0;    ///< rows that differed and were not locked
    std::int64_t written = 0;  ///< of them
    std::int64_t hot = 0;      ///< updates that left all indexes alone
};

/// How a chunk is recorded; nothing: it is not.
struct checkpoint {
    std::string kind;
    std::int64_t rows = 0;
    bool with_snapshot = false;  ///< and what it has seen, by which last_look() knows what was written later
};

/// Sets, or deletes, the rows of a range, and records it, in one transaction. A deadlock, and whatever else may go well
/// the next time, is tried again; a lock on the table for --swap-max-wait.
/// @returns nothing when `how` is fail and somebody has locked one of the rows
/// @throws error that names the row whose new value fails; error (lock_not_obtained)
[[nodiscard]] awaitable<std::optional<chunk_result>> write_chunk(workspace& work, pg::connection& session,
                                                                 walk::key_range range, locked_rows how,
                                                                 std::optional<checkpoint> as);

}  // namespace pgeist::fill
