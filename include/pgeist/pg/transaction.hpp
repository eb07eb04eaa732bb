#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "pgeist/pg/connection.hpp"

namespace pgeist::pg {

/// What `Body`, a function without parameters that returns an awaitable, yields in the end.
template <class Body>
using yield_of = typename std::invoke_result_t<const Body&>::value_type;

/// Awaits `body` and keeps what it yields.
template <class Body>
[[nodiscard]] awaitable<void> keep_yield(const Body& body, std::optional<yield_of<Body>>& into) {
    into = co_await body();
}

/// Runs `body` in the transaction that is open in `session`, and ends it: committed when `body` returns, rolled back
/// when it throws. Whatever `body` or COMMIT threw is thrown when the transaction has ended; a cancellation that came
/// meanwhile takes its place. `body` must live until the call has been awaited.
template <class Body>
requires std::is_void_v<yield_of<Body>>
[[nodiscard]] awaitable<void> conclude(connection& session, const Body& body) {
    std::exception_ptr failure;
    try {
        co_await body();
        co_await session.commit();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await session.rollback();
        std::rethrow_exception(failure);
    }
}

/// Runs `body` in a transaction of its own; see conclude().
template <class Body>
requires std::is_void_v<yield_of<Body>>
[[nodiscard]] awaitable<void> transaction(connection& session, isolation level, const Body& body) {
    co_await session.begin(level);
    co_await conclude(session, body);
}

/// As above. @returns what `body` returns
template <class Body>
requires(!std::is_void_v<yield_of<Body>>)
    [[nodiscard]] awaitable<yield_of<Body>> transaction(connection& session, isolation level, const Body& body) {
    std::optional<yield_of<Body>> out;
    const auto keeping = [&] { return keep_yield(body, out); };
    co_await transaction(session, level, keeping);
    co_return std::move(*out);
}

/// Runs `body` in a transaction that is rolled back whatever happens: for what is only tried.
/// Whatever `body` threw is thrown when the transaction has ended.
template <class Body>
requires std::is_void_v<yield_of<Body>>
[[nodiscard]] awaitable<void> rolled_back(connection& session, const Body& body) {
    std::exception_ptr failure;
    try {
        co_await session.begin();
        co_await body();
    } catch (...) {
        failure = std::current_exception();
    }
    co_await session.rollback();
    if (failure) {
        std::rethrow_exception(failure);
    }
}

}  // namespace pgeist::pg
