#pragma once

#include "pgeist/pg/inquiry.hpp"
#include "pgeist/transfer/spec.hpp"

/// That the read side still is the table that the transfer was made for.
namespace pgeist::transfer {

/// How to go on, for people, where this transfer cannot: a run is begun anew; a way back stays open, and is tried
/// again.
[[nodiscard]] const char* what_next(const spec& of);

/// That the name still means the table. Certain until the end of a transaction that has locked the table of that name.
/// @throws error naming the table
[[nodiscard]] awaitable<void> require_name(pg::connection& session, const spec& of);

/// That the name still means the table, and that nobody has changed its definition. Certain under a lock on it only.
/// @throws error naming the table, and what was changed
[[nodiscard]] awaitable<void> require_unchanged(pg::connection& session, const spec& of);
/// The same where several read sides are looked at together.
[[nodiscard]] awaitable<void> require_unchanged(pg::inquiry& ask, const spec& of);

}  // namespace pgeist::transfer
