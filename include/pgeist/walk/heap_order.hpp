#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/walk/key.hpp"
#include "pgeist/walk/key_range.hpp"

/// The order of the rows in the read side's file. Ranges of blocks are ranges of ctid, so that what works with ranges
/// of keys works with them: a chunk goes from the end of one block to the end of another.
///
/// A row is in no fixed place: an UPDATE makes its next version anywhere. So a chunk of blocks may copy a row that
/// another has copied before, or miss one that has moved into blocks already copied. Both only happen to rows that were
/// changed after capture began, whose keys are in the log. All others have one place from then on, which is in exactly
/// one chunk; what is appended later was changed later. Therefore the log must be whole until all chunks are copied,
/// and the rows of its keys must go from the write side before a unique index is built there.
namespace pgeist::walk {

/// A place as a key: the ctid.
[[nodiscard]] const key& key_of_places();

/// The first block of a range of ctids.
[[nodiscard]] std::int64_t first_block(const key_range& range);
/// Its last one; nullopt: open end.
[[nodiscard]] std::optional<std::int64_t> last_block(const key_range& range);

/// How densely rows lie in the read side's blocks, as far as is known.
class row_density {
public:
    /// What the statistics say, which may be old: counts like some measured blocks. 0 or less: unknown.
    void estimated(std::int64_t rows, std::int64_t blocks) noexcept;
    /// A range of blocks had so many rows.
    void measured(const key_range& range, std::int64_t rows) noexcept;
    /// At least 1; no more than can be read in a chunk's time where no row is alive.
    [[nodiscard]] std::int64_t blocks_for(std::int64_t rows) const noexcept;

private:
    double rows_ = 0;
    double blocks_ = 0;
};

/// Cuts the read side's blocks into ranges, first to last. Locks taken: none.
class block_cutter {
public:
    /// Cuts `within`; all others must outlive this.
    block_cutter(pg::connection& session, const qualified_name& table, std::int64_t oid, row_density& density,
                 std::vector<key_range> within);

    /// The next range of about `rows` rows, or nullopt when all is cut: up to the end that the file has when the first
    /// is asked for. What is appended later is in the log.
    [[nodiscard]] awaitable<std::optional<key_range>> next(std::int64_t rows);

private:
    [[nodiscard]] awaitable<void> look_at_size();

    pg::connection* session_;
    const qualified_name* table_;
    std::int64_t oid_;
    row_density* density_;
    std::vector<key_range> within_;  ///< what is left, last first
    std::int64_t blocks_ = -1;       ///< in the read side's file; -1: not asked yet
};

}  // namespace pgeist::walk
