#include "pgeist/run/siblings.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/lock/schedule.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::run {

namespace {

/// @returns what was in the way, if anything
awaitable<std::optional<pg::sql_error>> attempt(job::workspace& work, pg::connection& session, std::string sql,
                                                std::int64_t timeout) {
    std::optional<pg::sql_error> failure;
    std::exception_ptr other;
    try {
        co_await session.begin();
        co_await job::require_tenure(session, work.tenure());
        co_await session.execute(
            fmt::format("SET LOCAL lock_timeout = {}; {}", timeout, lock::no_lock_without_client_sql()));
        co_await session.execute(std::move(sql));
        co_await session.commit();
    } catch (const pg::sql_error& error) {
        failure = error;
    } catch (...) {
        other = std::current_exception();
    }
    if (failure || other) {
        co_await session.rollback();
    }
    if (other) {
        std::rethrow_exception(other);
    }
    if (failure && !failure->is(pg::sqlstate::lock_not_available) && !failure->is(pg::sqlstate::deadlock_detected)) {
        throw *failure;
    }
    co_return failure;
}

awaitable<void> politely(job::workspace& work, std::vector<plan::statement> statements, int most_attempts) {
    const auto session = co_await work.pool.acquire();
    for (const plan::statement& each : statements) {
        work.progress.detail = each.label;
        lock::policy rules;
        rules.lock_timeout = work.settings.lock_timeout;
        rules.attempts = most_attempts;
        lock::schedule attempts(rules);
        std::optional<pg::sql_error> blocked;
        do {
            if (attempts.exhausted()) {
                throw error(exit_code::lock_not_obtained,
                            fmt::format("{} found no moment: {}", each.label, blocked->what()),
                            "go on with: pgeist resume JOB");
            }
            const lock::attempt how = attempts.next();
            co_await pg::sleep_for(how.pause);
            const std::int64_t timeout = std::max<std::int64_t>(how.timeout.count(), 20);
            blocked = co_await attempt(work, *session, each.sql, timeout);
        } while (blocked);
    }
    work.progress.detail.clear();
}

}  // namespace

awaitable<void> prepare_siblings(job::workspace& work) {
    if (!work.plan.before_swap.empty()) {
        co_await politely(work, work.plan.before_swap, work.settings.swap_attempts);
    }
}

awaitable<void> release_siblings(job::workspace& work) {
    constexpr int few_attempts = 10;
    if (work.plan.instead_of_swap.empty()) {
        co_return;
    }
    try {
        co_await politely(work, work.plan.instead_of_swap, few_attempts);
    } catch (const std::exception&) {
        work.observer.message(report::level::warning,
                              "a constraint of this job is left on the default partition: "
                              "pgeist resume and pgeist cleanup remove it");
    }
}

}  // namespace pgeist::run
