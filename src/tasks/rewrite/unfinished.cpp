#include "pgeist/tasks/rewrite/undo.hpp"

#include <fmt/format.h>

#include "pgeist/job/record.hpp"
#include "pgeist/lock/politely.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/revert_plan.hpp"

namespace pgeist::rewrite {

namespace {

/// The steps that are left, or what is wrong with the job's row, which may be of another version.
struct steps {
    std::vector<plan::statement> left;
    std::string problem;
};

awaitable<steps> read_steps(pg::connection& session, std::int64_t job) {
    steps found;
    const pg::result row =
        co_await session.query("SELECT phase = 'finish' AND state <> 'done' FROM pgeist.jobs WHERE id = $1", job);
    if (row.empty() || !row.boolean(0, 0)) {
        co_return found;
    }
    try {
        const job::record record = co_await job::load(session, job);
        std::optional<plan::revert_plan> back;
        if (record.way_back) {
            back = plan::revert_plan_from_json(*record.way_back);
        }
        if (back && back->last_swap) {
            found.left = back->last_swap->swap.statements(plan::stage::finish);
        } else if (record.plan) {
            found.left = plan::blueprint_from_json(*record.plan).swap.statements(plan::stage::finish);
        }
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
        found.problem = failure.what();
    } catch (const cancelled&) {
        throw;
    } catch (const std::exception& failure) {
        found.problem = failure.what();
    }
    co_return found;
}

}  // namespace

awaitable<void> finish_what_was_swapped(task::undo_context& at) {
    if (!at.own_state) {
        co_return;
    }
    const job::tenure mine = at.mine;
    const steps found = co_await read_steps(at.session, mine.job);
    const auto ours = [&mine](pg::connection& used) { return job::require_tenure(used, mine); };
    if (!found.problem.empty()) {
        at.observer.message(
            report::level::warning,
            fmt::format("the table has its new definition, but what was left to do cannot be read ({}): "
                        "look for foreign keys that are NOT VALID",
                        found.problem));
    }
    for (const plan::statement& each : found.left) {
        const lock::policy rules;
        std::string problem;
        try {
            const auto blocked = co_await lock::politely(at.session, each.sql, rules, ours);
            problem = blocked ? blocked->what() : "";
        } catch (const pg::sql_error& failure) {
            if (failure.poisons_connection()) {
                throw;
            }
            problem = failure.what();
        }
        if (!problem.empty()) {
            at.observer.message(
                report::level::warning,
                fmt::format("the table has its new definition, but one step was not done ({}): {}; do it "
                            "with: {}",
                            each.label, problem, each.sql));
        }
    }
}

}  // namespace pgeist::rewrite
