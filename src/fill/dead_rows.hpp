#pragma once

#include <cstdint>
#include <optional>

#include "pgeist/core/deadline.hpp"
#include "pgeist/fill/workspace.hpp"

namespace pgeist::fill {

/// What the server knows of a table's dead rows.
struct bloat {
    std::int64_t dead = 0;
    std::int64_t live = 0;
    bool small = false;               ///< VACUUM takes no time
    std::int64_t vacuums = 0;         ///< so far
    bool autovacuum = true;           ///< it comes to this table
    bool autovacuum_at_work = false;  ///< now
};

/// How many rows may be written, by what is known of those that died: pure.
/// @param written since the last VACUUM, or planned to be
[[nodiscard]] std::int64_t room_for(const bloat& known, std::int64_t dead_after_vacuum, std::int64_t written,
                                    double most_percent);

/// `--max-dead-rows`: before the table has more dead rows than that, this waits for autovacuum, or vacuums itself where
/// autovacuum does not come. While autovacuum is at work on the table nothing is written.
class dead_rows {
public:
    explicit dead_rows(workspace& work) : work_(&work) {}

    /// How many of `wanted` rows a chunk should have, by what is known now; few, but some, where it will have to wait.
    [[nodiscard]] awaitable<std::int64_t> fitting(pg::connection& session, std::int64_t wanted);
    /// Waits until rows may be written. @returns how many, `wanted` at most, which are reserved
    /// @throws error (lock_not_obtained) naming whoever keeps VACUUM from removing them for longer than --swap-max-wait
    [[nodiscard]] awaitable<std::int64_t> reserve(pg::connection& session, std::int64_t wanted);
    /// So many rows that were reserved have been looked at, and of them so many written.
    void done(std::int64_t reserved, std::int64_t written);

private:
    [[nodiscard]] awaitable<void> look(pg::connection& session);
    [[nodiscard]] awaitable<void> wait_or_vacuum();
    [[nodiscard]] awaitable<void> vacuum();
    [[nodiscard]] std::string share() const;
    void give_up_in_time() const;

    workspace* work_;
    std::optional<bloat> known_;
    std::int64_t dead_before_ = 0;  ///< when it was vacuumed last, or first looked at
    std::int64_t written_ = 0;      ///< by us since
    std::int64_t reserved_ = 0;
    deadline::clock::time_point next_look_;
    deadline::clock::time_point next_vacuum_;
    std::optional<deadline::clock::time_point> waits_since_;
    std::optional<deadline::clock::time_point> vain_since_;  ///< a VACUUM that left so many
    std::string not_removed_;                                ///< why the last VACUUM left so many; empty: it did not
};

}  // namespace pgeist::fill
