#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/plan/server_repack.hpp"

namespace pgeist::check {

/// The first version that has REPACK (CONCURRENTLY).
constexpr int repack_since = 19;

/// An SQL expression: why REPACK (CONCURRENTLY) would refuse the table of pg_class row `c`, as text[].
[[nodiscard]] std::string repack_refusals_sql();

/// Sessions that hold a snapshot now: to those that use it for longer than a REPACK (CONCURRENTLY) takes, the table is
/// empty afterwards.
[[nodiscard]] awaitable<std::vector<std::string>> held_snapshots(pg::connection& conn);

/// What there is to say of the server's own REPACK (CONCURRENTLY) of a table; nothing where the server has none, or the
/// table is gone. Takes no lock.
[[nodiscard]] awaitable<std::optional<plan::server_repack>> consider_server_repack(pg::connection& conn,
                                                                                   std::int64_t oid);

}  // namespace pgeist::check
