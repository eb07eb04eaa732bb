#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/transfer/spec.hpp"

namespace pgeist::replay {

/// Which rows of the log a batch takes. Within one REPEATABLE READ transaction the same selection gives the same rows
/// each time.
struct selection {
    /// Blocks [first, last) of the log; nullopt: all of it. (A TID range scan: rows replayed before are not scanned
    /// again.)
    struct block_range {
        std::int64_t first = 0;
        std::int64_t last = 0;
    };
    std::optional<block_range> within;
    /// One of `count` shares of the keys by their hash, so that one key is never in two batches at once.
    struct share {
        int number = 0;
        int count = 1;
    };
    share part;
};

/// `job.log AS l` with the selection's condition: ` WHERE …` or empty.
[[nodiscard]] std::string condition(const transfer::spec& transfer, const selection& rows);

/// Removes the selected keys from the write side, each found by the key index.
[[nodiscard]] std::string delete_sql(const transfer::spec& transfer, const selection& rows);

/// Removes all logged keys from a write side that has no index yet, in one scan.
[[nodiscard]] std::string delete_without_index_sql(const transfer::spec& transfer);

/// Inserts the selected keys' current rows of the read side into the write side.
[[nodiscard]] std::string insert_sql(const transfer::spec& transfer, const selection& rows);

/// Removes the selected rows from the log.
[[nodiscard]] std::string forget_sql(const transfer::spec& transfer, const selection& rows);

}  // namespace pgeist::replay
