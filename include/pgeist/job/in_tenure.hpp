#pragma once

#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/transaction.hpp"

namespace pgeist::job {

template <class Body>
[[nodiscard]] awaitable<void> after_fence(pg::connection& session, tenure mine, const Body& body) {
    co_await require_tenure(session, mine);
    co_await body();
}

/// pg::transaction() that only the process which works on the job now can commit: see require_tenure(). Where several
/// statements must see the same rows of the source or the shadow: in_snapshot().
/// Locks the job's row FOR KEY SHARE. @throws error (already_running) as require_tenure(), and what `body` throws
template <class Body>
requires std::is_void_v<pg::yield_of<Body>>
[[nodiscard]] awaitable<void> in_tenure(pg::connection& session, tenure mine, pg::isolation level, const Body& body) {
    const auto fenced = [&] { return after_fence(session, mine, body); };
    co_await pg::transaction(session, level, fenced);
}

/// As above. @returns what `body` returns
template <class Body>
requires(!std::is_void_v<pg::yield_of<Body>>)
    [[nodiscard]] awaitable<pg::yield_of<Body>> in_tenure(pg::connection& session, tenure mine, pg::isolation level,
                                                          const Body& body) {
    std::optional<pg::yield_of<Body>> out;
    const auto keeping = [&] { return pg::keep_yield(body, out); };
    co_await in_tenure(session, mine, level, keeping);
    co_return std::move(*out);
}

/// pg::conclude() for a transaction that is open, with the fence of in_tenure().
template <class Body>
[[nodiscard]] awaitable<void> conclude_in_tenure(pg::connection& session, tenure mine, const Body& body) {
    const auto fenced = [&] { return after_fence(session, mine, body); };
    co_await pg::conclude(session, fenced);
}

}  // namespace pgeist::job
