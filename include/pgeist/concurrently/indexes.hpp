#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::concurrently {

/// An index that there is, as far as REINDEX CONCURRENTLY is concerned.
struct existing_index {
    std::int64_t oid = 0;
    qualified_name name;
    std::int64_t table_oid = 0;
    qualified_name table;  ///< a partition, or the TOAST table
    std::int64_t bytes = 0;
    std::int64_t table_bytes = 0;  ///< what building it reads
    bool is_toast = false;
    bool is_btree = false;
    std::string why_not;  ///< it cannot be rebuilt CONCURRENTLY, or not by this role; empty: it can
};

/// All indexes of a table and of its TOAST; of a partitioned table those of its partitions. In the order of their
/// names, table by table. Takes no lock. @param table_oid of an ordinary, a partitioned table or a materialized view
[[nodiscard]] awaitable<std::vector<existing_index>> list_indexes(pg::connection& session, std::int64_t table_oid);

}  // namespace pgeist::concurrently
