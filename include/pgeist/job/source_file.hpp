#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// Remembers the file of the source's rows, and the state of its columns, as they are now: from here on whoever
/// rewrites them is noticed. To be called where no row has been copied yet. @throws error (already_running) as
/// require_tenure()
[[nodiscard]] awaitable<void> save_source_file(pg::connection& session, tenure mine, std::int64_t source_oid);
/// The same as a statement for the swap's transaction, as its last one that touches the table: who rewrites the rows of
/// a table that is new in its place is noticed from the first moment on.
[[nodiscard]] std::string save_source_file_sql(std::int64_t job, std::int64_t source_oid);
/// What save_source_file() would remember, for save_compared_file(); nothing when some of them are compared already,
/// perhaps as they were in another file.
[[nodiscard]] awaitable<std::optional<std::int64_t>> file_to_compare(pg::connection& session, std::int64_t job,
                                                                     std::int64_t source_oid);
/// Remembers that all rows have been compared since they were in `file`, so that it does not matter who rewrote them
/// before. @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> save_compared_file(pg::connection& session, tenure mine, std::int64_t file);
/// Where the source's rows are, compared with what is remembered.
enum class source_rows {
    in_place,  ///< in the same file
    moved,     ///< in another one, with the same values: REPACK, CLUSTER, VACUUM FULL, SET TABLESPACE, pg_repack
    rewritten  ///< perhaps with other values, since the columns' rows in the catalogs are others: ALTER COLUMN … TYPE;
               ///< or in the same file, as long as the table was another's child, whose statements fire none of its
               ///< triggers. Also when a default that was kept apart from the rows has been moved into them.
};
[[nodiscard]] awaitable<source_rows> source_rows_since(pg::connection& session, std::int64_t job,
                                                       std::int64_t source_oid);
/// Of several jobs, each with its source, in their order.
[[nodiscard]] awaitable<std::vector<source_rows>> source_rows_since(pg::connection& session,
                                                                    std::vector<std::int64_t> jobs,
                                                                    std::vector<std::int64_t> source_oids);

}  // namespace pgeist::job
