#pragma once

#include "pgeist/task/kind.hpp"

namespace pgeist::server_repack {

/// In the job's row.
inline constexpr const char* kind_name = "server";

/// A table is rebuilt by the server's own REPACK (CONCURRENTLY), from PostgreSQL 19 on: begun when no snapshot is held
/// that would see an empty table afterwards, given up when its last lock is waited for too long, and begun anew.
/// Nothing of it stays when it is interrupted.
[[nodiscard]] const task::kind& kind();

}  // namespace pgeist::server_repack
