#pragma once

#include "pgeist/transfer/shared/workspace.hpp"
#include "pgeist/transfer/verify/range_workers.hpp"
#include "pgeist/walk/heap_order.hpp"
#include "pgeist/walk/key_sql.hpp"

/// The one look at the read side that does not go by the index of its key. Copy, replay and comparison all find rows by
/// it, so what a damaged one does not lead to (the collation's rules have changed, a CREATE INDEX CONCURRENTLY has gone
/// wrong) they miss alike, and the new table would be without it.
///
/// The read side's file is read from its first block to its last, a range of blocks at a time, each in one snapshot. Of
/// every row there
/// - the index of the key leads to this very row, and to no other: then it leads replay to it too, also later, since
///   what is written from now on is entered into the index as it is;
/// - the write side has the key, unless it is in the log visible in the snapshot: then replay brings it.
///
/// A row that moves from a range not yet read to one that has been read is not seen. Its new version was written after
/// the walk began: its key is in the log, or has been replayed, by an index that leads to every row. What is appended
/// behind the file's end is newer still.
namespace pgeist::verify {

/// The statements of the walk. All of a range's run in one REPEATABLE READ snapshot. Ranges are of places (ctid).
class file_walk_statements {
public:
    explicit file_walk_statements(const transfer::spec& transfer) : transfer_(&transfer) {}

    /// Keys from the first to the last, both taken in.
    struct key_window {
        std::vector<std::string> first;
        std::vector<std::string> last;
    };

    /// One row: rows, not_led_to (by the index), not_written (whether the log tells why or not). Each row is looked
    /// up by itself. Of rows in `looked_at` already nothing is said.
    [[nodiscard]] walk::bound_sql look(const walk::key_range& range,
                                       const std::optional<key_window>& looked_at = {}) const;
    /// The same of the rows in `window`, by reading these keys of both indexes in their order: a fraction of the time
    /// where rows that are neighbours in the file have neighbouring keys.
    [[nodiscard]] walk::bound_sql look_in_order(const walk::key_range& range, const key_window& window) const;
    /// How many rows the range has.
    [[nodiscard]] walk::bound_sql count(const walk::key_range& range) const;
    /// Two rows: the range's first and last key but for so many at each end, which may be far from all others.
    [[nodiscard]] walk::bound_sql find_window(const walk::key_range& range, std::int64_t strays) const;
    /// How many keys the write side has in `window`; counts no further than `most`.
    [[nodiscard]] walk::bound_sql count_written(const key_window& window, std::int64_t most) const;
    /// The key of one row of the range to which the index does not lead.
    [[nodiscard]] walk::bound_sql find_not_led_to(const walk::key_range& range) const;
    /// Puts the keys that the write side lacks and no visible log row tells of into the log and into `recheck`, to be
    /// copied again. Returns them.
    [[nodiscard]] walk::bound_sql queue_missing(const walk::key_range& range) const;

private:
    /// `SELECT s.ctid AS place, s."id" AS k1, … FROM ONLY source AS s`
    [[nodiscard]] std::string rows() const;
    /// `SELECT <select> FROM (rows() of the range) AS b`
    [[nodiscard]] walk::bound_sql over_rows(const walk::key_range& range, const std::string& select) const;
    [[nodiscard]] std::string led_to() const;
    [[nodiscard]] std::string is_written() const;

    const transfer::spec* transfer_;
};

/// The walk itself. Goes on where an interrupted one stopped, in the same file. Locks: ACCESS SHARE on both tables, one
/// range at a time.
class file_walk : public range_walk {
public:
    explicit file_walk(transfer::workspace& work) : work_(&work) {}

    /// @throws error (verification_failed) when the index of the key does not lead to a row
    /// @throws transfer::source_truncated, transfer::source_rewritten when the file is another one meanwhile
    [[nodiscard]] awaitable<void> run();

    /// Rows that were missing in the write side, and are in the log now to be copied again.
    [[nodiscard]] std::int64_t missing() const noexcept { return missing_; }

    /// Makes the next walk begin at the first block. @throws error (already_running) as require_tenure()
    [[nodiscard]] static awaitable<void> forget(transfer::workspace& work);

    [[nodiscard]] awaitable<std::optional<walk::key_range>> next(std::int64_t rows) override;
    [[nodiscard]] awaitable<std::int64_t> look_at(pg::connection& session, walk::key_range range) override;

private:
    /// What looking at one range found.
    struct counts {
        std::int64_t rows = 0;
        std::int64_t not_led_to = 0;
        std::int64_t not_written = 0;
    };
    struct found {
        std::int64_t rows = 0;
        std::vector<std::string> missing;
        bool same_file = true;
        std::string told;  ///< by the server, of the index
    };
    [[nodiscard]] awaitable<walk::finished_ranges> begin(pg::connection& session);
    /// Looks the rows of a range up, in whichever way is the faster.
    [[nodiscard]] awaitable<counts> look_up(pg::connection& session, const walk::key_range& range);
    [[nodiscard]] awaitable<std::optional<file_walk_statements::key_window>> find_dense_part(
        pg::connection& session, const walk::key_range& range);
    [[nodiscard]] awaitable<counts> ask(pg::connection& session, walk::bound_sql look);
    [[nodiscard]] awaitable<found> look_in_snapshot(pg::connection& session, const walk::key_range& range);
    [[nodiscard]] awaitable<std::vector<std::string>> indexes_used_in(pg::connection& session, walk::bound_sql sql);
    [[nodiscard]] awaitable<void> throw_damaged(pg::connection& session, const walk::key_range& range,
                                                std::int64_t rows);
    [[nodiscard]] awaitable<bool> is_same_file(pg::connection& session);
    /// @throws transfer::source_truncated, else transfer::source_rewritten
    [[nodiscard]] awaitable<void> throw_other_file(pg::connection& session);

    transfer::workspace* work_;
    std::int64_t file_ = 0;
    bool in_blocks_ = true;  ///< the access method keeps rows in blocks; else all of them are one range
    std::optional<walk::key_range> whole_;
    walk::row_density density_;
    std::optional<walk::block_cutter> cutter_;
    std::int64_t missing_ = 0;
    int scattered_ = 0;  ///< ranges in a row whose keys are not neighbours
    /// No other index could lead to a range of keys: what is found by a range is found by the key's own index.
    bool only_index_ = false;
};

}  // namespace pgeist::verify
