#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"

// What a job is about to do CONCURRENTLY, in its row (pgeist.jobs.builds): an object a statement.
namespace pgeist::concurrently {

enum class deed { create, reindex, drop, detach };

struct entry {
    deed what = deed::create;
    std::int64_t table_oid = 0;  ///< detach: the partition
    qualified_name name;         ///< of the index; detach: of the partition
    /// create: of the index, once it is seen; reindex, drop: of the index as it was; detach: of the parent.
    std::int64_t oid = 0;
    std::int64_t made_oid = 0;  ///< reindex: of the new index, once it is seen
    bool for_constraint = false;
    std::vector<std::string> there;  ///< OIDs of all indexes of the table before: none of them is ours

    /// By which it is found in the row.
    [[nodiscard]] std::string key() const;
};

/// Stores an entry, with the indexes that there are at this moment; one that is there already keeps what it knows.
/// Committed when this returns. @throws error (already_running) as job::require_tenure()
[[nodiscard]] awaitable<void> add(pg::connection& session, job::tenure mine, entry what);
/// Stores the index that the statement has made.
[[nodiscard]] awaitable<void> note_made(pg::connection& session, job::tenure mine, const entry& what,
                                        std::int64_t index_oid);
[[nodiscard]] awaitable<void> remove(pg::connection& session, job::tenure mine, const entry& what);
[[nodiscard]] awaitable<std::vector<entry>> load(pg::connection& session, std::int64_t job);

}  // namespace pgeist::concurrently
