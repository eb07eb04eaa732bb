#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace pgeist::report {

/// What a rehearsal of a change has found: a run up to the swap on the live table, taken back. Times are milliseconds,
/// by the clock of the process that rehearsed; phases that an earlier one did are not among them.
struct rehearsal {
    struct phase {
        std::string name;
        std::int64_t ms = 0;
        std::int64_t wal_bytes = 0;  ///< of the whole server
    };
    /// Who held a lock that the swap would have waited for.
    struct holder {
        std::int64_t pid = 0;  ///< 0: a prepared transaction
        std::string user;
        std::string application;
        std::string query;
        std::int64_t age_ms = 0;  ///< of its transaction, at most
        std::int64_t looks = 0;   ///< that found it
    };
    struct totals {
        std::int64_t elapsed_ms = 0;
        std::int64_t wal_bytes = 0;
        std::int64_t space_bytes = 0;
    };

    std::string table;
    std::string change;
    std::string locks;  ///< none, sample, take
    std::string method = "copy";
    std::vector<phase> phases;
    std::int64_t elapsed_ms = 0;
    std::int64_t wal_bytes = 0;    ///< of the whole server: what others wrote meanwhile is in it
    std::int64_t space_bytes = 0;  ///< the most that the job's own tables and indexes took
    std::int64_t rows = 0;
    std::optional<std::int64_t> rows_per_second;  ///< of the copy
    std::optional<std::int64_t> chunk_ms;         ///< the median chunk
    std::optional<std::int64_t> longest_chunk_ms;
    double predicted_lock_ms = 0;
    std::optional<double> lock_ms;  ///< with `take`: from the last lock to the end of the transaction
    std::optional<std::int64_t> attempts;
    std::optional<double> lock_free_percent;  ///< with `sample`: of the looks
    std::int64_t looks = 0;
    std::vector<holder> blockers;  ///< the most frequent first
    std::optional<totals> scaled;  ///< to the table of a plan
};

[[nodiscard]] std::string to_json(const rehearsal& found);
/// @throws std::exception when it is none
[[nodiscard]] rehearsal rehearsal_from_json(const std::string& text);

/// The table that figures are scaled to, and the one that they are of.
struct table_size {
    std::int64_t rows = 0;
    std::int64_t table_bytes = 0;
    std::int64_t index_bytes = 0;
};
/// What it would be for another size: the copy and its changes by rows, index builds by n log n, the comparison by
/// bytes, everything else as it is.
[[nodiscard]] rehearsal::totals scaled_to(const rehearsal& found, const table_size& here, const table_size& there);

/// `name`, `value`: the figures, for people.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> figures(const rehearsal& found);
/// For a comment in a pull request.
[[nodiscard]] std::string markdown(const rehearsal& found);

}  // namespace pgeist::report
