#include "locked.hpp"

#include "pgeist/job/in_tenure.hpp"
#include "pgeist/lock/table_lock.hpp"

namespace pgeist::expand {

awaitable<void> run_locked(pg::pool& pool, pg::connection& session, qualified_name table, job::tenure mine,
                           const run::settings* follow, report::observer& observer,
                           std::function<awaitable<void>(pg::connection&)> body) {
    const auto observer_session = co_await pool.acquire();
    lock::target target;
    target.tables.push_back(std::move(table));
    lock::policy rules;
    run::on_blocked blocked = run::on_blocked::wait;
    if (follow != nullptr) {
        rules.lock_timeout = follow->lock_timeout;
        rules.attempts = follow->swap_attempts;
        rules.max_wait = follow->swap_max_wait;
        blocked = follow->blocked;
    }
    co_await lock::fit_to_server(session, rules);
    co_await lock::acquire(session, *observer_session, target, rules, blocked, observer, follow);
    const auto run = [&] { return body(session); };
    co_await job::conclude_in_tenure(session, mine, run);
}

}  // namespace pgeist::expand
