#include "pgeist/run/siblings.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/lock/politely.hpp"

namespace pgeist::run {

namespace {

awaitable<void> run_politely(job::workspace& work, std::vector<plan::statement> statements, int most_attempts) {
    const auto session = co_await work.pool.acquire();
    lock::policy rules;
    rules.lock_timeout = work.settings.lock_timeout;
    rules.attempts = most_attempts;
    const auto ours = [&work](pg::connection& used) { return job::require_tenure(used, work.tenure()); };
    for (const plan::statement& each : statements) {
        work.progress.detail = each.label;
        const std::optional<pg::sql_error> blocked = co_await lock::politely(*session, each.sql, rules, ours);
        if (blocked) {
            throw error(exit_code::lock_not_obtained,
                        fmt::format("{} found no moment: {}", each.label, blocked->what()),
                        "go on with: pgeist resume JOB");
        }
    }
    work.progress.detail.clear();
}

}  // namespace

awaitable<void> prepare_siblings(job::workspace& work) {
    if (!work.plan.before_swap.empty()) {
        co_await run_politely(work, work.plan.before_swap, work.settings.swap_attempts);
    }
}

awaitable<void> release_siblings(job::workspace& work) {
    constexpr int few_attempts = 10;
    if (work.plan.instead_of_swap.empty()) {
        co_return;
    }
    try {
        co_await run_politely(work, work.plan.instead_of_swap, few_attempts);
    } catch (const std::exception&) {
        work.observer.message(report::level::warning,
                              "a constraint of this job is left on the default partition: "
                              "pgeist resume and pgeist cleanup remove it");
    }
}

}  // namespace pgeist::run
