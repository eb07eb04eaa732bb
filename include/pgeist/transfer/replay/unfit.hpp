#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/transfer/spec.hpp"

/// Rows that do not fit the write side, where spec::sets_apart: a value that cannot be converted, or would be another
/// one after the way there and back, or violates a constraint of the write side; of rows that are in each other's way
/// under a unique or exclusion constraint, all. The write side does not have them. What it had is kept with the key,
/// and comes back when the row fits again. Each change of such a row looks at it again, so that rows leave by
/// themselves; those in each other's way are looked at with every batch.
namespace pgeist::replay {

/// Creates the tables for that, beside the log (capture::log_sql(), which goes before). `read_side`, `write_side`:
/// where they are now.
[[nodiscard]] std::string set_apart_tables_sql(const transfer::spec& transfer, const qualified_name& read_side,
                                               const qualified_name& write_side);

struct unfit_row {
    std::string key;     ///< `id = 5`, the read side's
    std::string reason;  ///< `column price: 1.4 would come back as 1`, or the server's message
    std::string sqlstate;
};

struct unfit_look {
    std::int64_t rows = 0;
    std::vector<unfit_row> first;  ///< a few of them
};

/// Reads how many rows are set apart, and at most `most` of them, those first that were set apart first. Nothing where
/// rows are not set apart. Locks: ACCESS SHARE on a table of the job's own.
[[nodiscard]] awaitable<unfit_look> look_at_unfit(pg::connection& session, const transfer::spec& transfer,
                                                  int most = 10);

}  // namespace pgeist::replay
