#pragma once

#include <cstdint>
#include <vector>

#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/walk/key.hpp"
#include "pgeist/walk/key_range.hpp"

namespace pgeist::walk {

/// Sets what reading bounds needs on `session`: text forms that read back as the same value (DateStyle, float digits),
/// and plans that walk the index. Only sessions that read bounds get it: it would change how users' conversions to text
/// read.
[[nodiscard]] awaitable<void> prepare_for_bounds(pg::connection& session);

/// Which rows are walked: those of the table alone, or of its partitions too.
enum class reach { only, with_partitions };

/// The query of next_bound(), for tests of its plan.
[[nodiscard]] std::string bound_query(const qualified_name& table, const key& key, const key_range& within,
                                      std::int64_t rows, reach which = reach::only);

/// Cuts a table's key space into ranges, in the key's order. Locks taken: ACCESS SHARE, one statement
/// at a time.
class boundary_finder {
public:
    /// Cuts `within` (several ranges in key order); `session` must be prepared by prepare_for_bounds() and outlive
    /// this, as must `table` and `key`.
    boundary_finder(pg::connection& session, const qualified_name& table, const key& key, std::vector<key_range> within,
                    reach which = reach::only);

    /// The next range of about `rows` rows, or nullopt when all is cut. The last one of each gap ends where the gap
    /// ends, so that every key, also one that does not exist yet, is in exactly one range.
    /// @throws error when a bound does not come after the one before: the index is not in order
    [[nodiscard]] awaitable<std::optional<key_range>> next(std::int64_t rows);

private:
    [[nodiscard]] error not_in_order() const;

    pg::connection* session_;
    const qualified_name* table_;
    const key* key_;
    std::vector<key_range> within_;  ///< what is left, last first
    reach which_;
};

}  // namespace pgeist::walk
