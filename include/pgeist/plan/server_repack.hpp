#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pgeist::plan {

/// The server's own REPACK (CONCURRENTLY) of a table, and what there is to say of it here and now.
struct server_repack {
    std::string statement;                   ///< without semicolon
    std::vector<std::string> refusals;       ///< why the server would not do it; empty: it would
    std::vector<std::string> old_snapshots;  ///< who holds a snapshot now
    std::int64_t bytes = 0;                  ///< of the table, with indexes and TOAST
    std::int64_t replicas = 0;               ///< that stream from this server
};

/// Lines for humans, indented, each with its line feed.
[[nodiscard]] std::string describe(const server_repack& what);

/// A JSON object.
[[nodiscard]] std::string describe_json(const server_repack& what);

}  // namespace pgeist::plan
