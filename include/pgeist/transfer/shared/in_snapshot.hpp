#pragma once

#include <fmt/format.h>

#include "pgeist/job/in_tenure.hpp"
#include "pgeist/transfer/read_side.hpp"
#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::transfer {

template <class Body>
[[nodiscard]] awaitable<void> begin_in_snapshot(pg::connection& session, const workspace& work, const Body& body) {
    co_await session.execute(
        fmt::format("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE ONLY {}, ONLY {} IN ACCESS SHARE MODE",
                    work.transfer.read.name.sql(), work.transfer.write.name.sql()));
    co_await job::require_tenure(session, work.tenure());
    co_await require_name(session, work.transfer);
    co_await body();
}

/// job::in_tenure() for a `body` all of whose statements must see the same rows of both tables.
///
/// The tables are locked before the snapshot is taken. Otherwise somebody who rewrites one of them could commit in
/// between, and to a snapshot that is older than its rows the whole table is empty (REPACK (CONCURRENTLY), ALTER TABLE,
/// TRUNCATE). LOCK itself takes no snapshot. Then the read side's name is looked up: the rows of a table that somebody
/// has put in its place would be taken for the current ones, and stay on the write side when he has undone that.
/// Locks: both tables ACCESS SHARE, the job's row FOR KEY SHARE. Whatever the body writes needs more:
/// whoever waits for a lock that this one is in the way of lets it pass.
/// @throws error (already_running) as require_tenure(), as require_name(), and what `body` throws
template <class Body>
requires std::is_void_v<pg::yield_of<Body>>
[[nodiscard]] awaitable<void> in_snapshot(pg::connection& session, const workspace& work, const Body& body) {
    const auto whole = [&] { return begin_in_snapshot(session, work, body); };
    co_await pg::conclude(session, whole);
}

/// As above. @returns what `body` returns
template <class Body>
requires(!std::is_void_v<pg::yield_of<Body>>)
    [[nodiscard]] awaitable<pg::yield_of<Body>> in_snapshot(pg::connection& session, const workspace& work,
                                                            const Body& body) {
    std::optional<pg::yield_of<Body>> out;
    const auto keeping = [&] { return pg::keep_yield(body, out); };
    co_await in_snapshot(session, work, keeping);
    co_return std::move(*out);
}

}  // namespace pgeist::transfer
