#pragma once

#include "pgeist/build/workspace.hpp"

namespace pgeist::build {

/// Builds the key index of the shadow, unless it is there, held back or not. Where the shadow is at a `consistent`
/// point, most of the others are built beside it, which takes less time than one after the other. No lock on the
/// source.
[[nodiscard]] awaitable<void> build_key_index(workspace& work, bool consistent = false);

/// Builds all other indexes that are not there yet, `settings.index_jobs` at a time, longest first, then what the plan
/// wants done once all rows are there. The shadow must be at a consistent point and nobody may write to it meanwhile.
/// No lock on the source. @returns false when the run was held back before all were begun: to be called again at
/// another consistent point. Each call builds at least one that is missing, held back or not. @throws error naming the
/// constraint and the keys when the data violates it
[[nodiscard]] awaitable<bool> build_indexes(workspace& work);

/// VACUUM (ANALYZE) of the shadow: visibility map, hint bits and statistics before the first query of the application.
[[nodiscard]] awaitable<void> vacuum_shadow(workspace& work);

/// Builds what stands on the shadow and is exchanged with it: materialized views. Again each time: their rows are those
/// of this moment. No lock on the source.
[[nodiscard]] awaitable<void> build_ahead(workspace& work);

/// Drops what build_key_index() and build_indexes() built, so that rows can be copied into a bare table again.
[[nodiscard]] awaitable<void> drop_indexes(pg::connection& session, const plan::blueprint& plan);

}  // namespace pgeist::build
