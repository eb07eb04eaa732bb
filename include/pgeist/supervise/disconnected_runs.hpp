#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "pgeist/pg/connection.hpp"

namespace pgeist::supervise {

/// A job whose run is not connected, but may be trying to: it has told of no end, its last sign of life is younger than
/// its --reconnect-max, and its process is not known to have ended. (Of a job that a dump has brought no run comes
/// back.)
struct disconnected_run {
    std::int64_t job = 0;
    std::chrono::milliseconds silent{0};    ///< since its last sign of life
    std::chrono::milliseconds patience{0};  ///< its --reconnect-max
};

/// Those of all jobs, or of one. Schema pgeist must be there, of whatever version.
[[nodiscard]] awaitable<std::vector<disconnected_run>> find_disconnected(pg::connection& session,
                                                                         std::optional<std::int64_t> job);

}  // namespace pgeist::supervise
