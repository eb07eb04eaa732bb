#include "pgeist/lock/politely.hpp"

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include "pgeist/lock/table_lock.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"

namespace pgeist::lock {

namespace {

using first_step = std::function<awaitable<void>(pg::connection&)>;

/// What a schedule asks for NOWAIT has several locks to get.
constexpr milliseconds shortest_timeout{20};

awaitable<void> run_under_lock(pg::connection& session, const std::string& sql, milliseconds timeout,
                               const first_step& first) {
    co_await session.execute(fmt::format("SET LOCAL lock_timeout = {}; {}", timeout.count(), under_strong_lock_sql()));
    if (first) {
        co_await first(session);
    }
    co_await session.execute(sql);
}

/// @returns what was in the way, if anything
awaitable<std::optional<pg::sql_error>> try_once(pg::connection& session, std::string sql, milliseconds timeout,
                                                 first_step first) {
    std::optional<pg::sql_error> blocked;
    const auto step = [&] { return run_under_lock(session, sql, timeout, first); };
    try {
        co_await pg::transaction(session, pg::isolation::read_committed, step);
    } catch (const pg::sql_error& error) {
        if (!error.blocked()) {
            throw;
        }
        blocked = error;
    }
    co_return blocked;
}

}  // namespace

awaitable<std::optional<pg::sql_error>> politely(pg::connection& session, std::string sql, policy rules,
                                                 first_step first) {
    co_await fit_to_server(session, rules);
    schedule attempts(rules);
    std::optional<pg::sql_error> blocked;
    do {
        const attempt how = attempts.next();
        co_await pg::sleep_for(how.pause);
        blocked = co_await try_once(session, sql, std::max(how.timeout, shortest_timeout), first);
    } while (blocked && !attempts.exhausted());
    co_return blocked;
}

}  // namespace pgeist::lock
