#pragma once

#include <cstdint>
#include <optional>

#include "pgeist/transfer/shared/workspace.hpp"
#include "pgeist/walk/key_range.hpp"

namespace pgeist::verify {

/// Something that looks at all rows of a table, range by range.
class range_walk {
public:
    virtual ~range_walk() = default;
    /// The next range of about `rows` rows; nullopt: there is none left. Asked by one coroutine.
    [[nodiscard]] virtual awaitable<std::optional<walk::key_range>> next(std::int64_t rows) = 0;
    /// Looks at a range in `session`, which prepare_to_look() has set up. Several at a time. @returns rows looked at
    [[nodiscard]] virtual awaitable<std::int64_t> look_at(pg::connection& session, walk::key_range range) = 0;
};

/// Settings of a session that looks at rows: by index or place, whatever the planner thinks of the tables.
[[nodiscard]] awaitable<void> prepare_to_look(pg::connection& session, const run::settings& settings);

/// Takes `walk` to its end with `settings.workers` workers, at the limiter's pace, in chunks as the settings want them;
/// counts the rows as progress. The first failure ends all workers and is thrown.
/// @param first rows of the first chunk, before anything is known of their speed
[[nodiscard]] awaitable<void> run_with_workers(transfer::workspace& work, range_walk& walk, std::int64_t first = 5'000);

}  // namespace pgeist::verify
