#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pgeist/report/observer.hpp"

namespace pgeist::watch {

/// A row of pg_stat_progress_create_index.
struct build_row {
    std::string command;  ///< `CREATE INDEX`, `REINDEX CONCURRENTLY`, …
    std::string phase;
    std::int64_t index_oid = 0;  ///< 0: not told yet
    std::int64_t blocks_total = 0;
    std::int64_t blocks_done = 0;
    std::int64_t tuples_total = 0;
    std::int64_t tuples_done = 0;
};

/// How much of the whole statement is done, 0 … 100. The server counts each of its phases by itself; how they weigh
/// against each other is a rule of thumb: the table is read once, its rows are sorted and written, and CONCURRENTLY
/// reads the table a second time.
[[nodiscard]] double percent_of(const build_row& row);

/// When work whose percentage is told now and then will be done, by its pace until now. Pure: it is told the time.
class pace {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// A percentage lower than the one before begins anew.
    void add(time_point now, double percent);
    /// Nothing while there is too little to tell.
    [[nodiscard]] std::optional<double> eta_seconds() const;

private:
    struct sample {
        time_point at;
        double percent = 0;
    };
    std::optional<sample> first_;
    sample last_;
};

}  // namespace pgeist::watch
