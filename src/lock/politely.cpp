#include "pgeist/lock/politely.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/pg/parallel.hpp"

namespace pgeist::lock {

namespace {

/// What a schedule asks for NOWAIT has several locks to get.
constexpr milliseconds shortest_timeout{20};

bool is_passing(const pg::sql_error& failure) {
    return failure.is(pg::sqlstate::lock_not_available) || failure.is(pg::sqlstate::deadlock_detected);
}

}  // namespace

awaitable<std::optional<pg::sql_error>> politely(pg::connection& session, std::string sql, policy rules) {
    schedule attempts(rules);
    std::optional<pg::sql_error> blocked;
    while (!attempts.exhausted()) {
        const attempt how = attempts.next();
        co_await pg::sleep_for(how.pause);
        blocked.reset();
        try {
            // One message, and so one transaction.
            co_await session.execute(
                fmt::format("SET LOCAL lock_timeout = {}; {}", std::max(how.timeout, shortest_timeout).count(), sql));
        } catch (const pg::sql_error& failure) {
            blocked = failure;
        }
        if (blocked && !is_passing(*blocked)) {
            throw *blocked;
        }
        if (!blocked) {
            break;
        }
    }
    co_return blocked;
}

}  // namespace pgeist::lock
