#include "pgeist/tasks/rewrite/other_tables.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "polite_step.hpp"

namespace pgeist::rewrite {

namespace {

awaitable<void> run_all(build::workspace& work, std::vector<plan::statement> steps, int most_attempts) {
    const auto session = co_await work.pool.acquire();
    for (const plan::statement& each : steps) {
        const auto blocked = co_await run_politely(work, *session, each, most_attempts);
        if (blocked) {
            throw error(exit_code::lock_not_obtained,
                        fmt::format("{} found no moment: {}", each.label, blocked->what()),
                        "go on with: pgeist resume JOB");
        }
    }
    work.progress.detail.clear();
}

}  // namespace

awaitable<void> prepare_other_tables(build::workspace& work) {
    std::vector<plan::statement> steps = work.plan.swap.statements(plan::stage::before);
    if (!steps.empty()) {
        co_await run_all(work, std::move(steps), work.settings.swap_attempts);
    }
}

awaitable<void> release_other_tables(build::workspace& work) {
    constexpr int few_attempts = 10;
    std::vector<plan::statement> steps = work.plan.swap.undo();
    if (steps.empty()) {
        co_return;
    }
    try {
        co_await run_all(work, std::move(steps), few_attempts);
    } catch (const std::exception&) {
        work.observer.message(report::level::warning,
                              "a constraint of this job is left on the default partition: "
                              "pgeist resume and pgeist cleanup remove it");
    }
}

}  // namespace pgeist::rewrite
