#include "pgeist/tasks/way_back/kind.hpp"

#include <fmt/format.h>

#include "pgeist/job/events.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/revert_plan.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/way_back/facts.hpp"
#include "pgeist/tasks/way_back/phases.hpp"
#include "pgeist/tasks/way_back/work.hpp"

namespace pgeist::way_back {

namespace {

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = rewrite::kind_of_way_back;
    all.strategy = "shadow";
    all.effect = "the tables have changed places";
    all.meanwhile = "changes go on being logged";
    return all;
}

/// In which of both directions the last swap went.
bool old_is_in_use(const job::record& job) {
    return job.way_back && plan::revert_plan_from_json(*job.way_back).old_is_in_use();
}

}  // namespace

std::unique_ptr<task::work> keeping_back::take_up(const task::context& with, const job::record& job) const {
    return std::make_unique<way_back::work>(*this, with, job);
}

std::string keeping_back::state_when_ended(const job::record& now, exit_code code) const {
    const bool finishing = now.phase == phases()[static_cast<std::size_t>(step::finish)].name;
    if (finishing && code != exit_code::done) {
        return task::kind::state_when_ended(now, code);
    }
    return old_is_in_use(now) ? "reverted" : "done";
}

std::string keeping_back::describe(const std::string& change) const {
    return plan::change_request_from_json(change).describe();
}

pg::session_profile keeping_back::profile_of(const std::string& plan) const {
    return plan::blueprint_from_json(plan).profile;
}

std::string keeping_back::with_profile(const std::string& plan, pg::session_profile profile) const {
    plan::blueprint changed = plan::blueprint_from_json(plan);
    changed.profile = std::move(profile);
    return plan::to_json(changed);
}

std::vector<std::string> keeping_back::own_schemas(std::int64_t job) const {
    return {rewrite::job_schema(job), rewrite::passage_schema(job), rewrite::back_schema(job),
            rewrite::again_schema(job)};
}

std::vector<qualified_name> keeping_back::written_tables(const job::record& job) const {
    std::vector<qualified_name> tables;
    if (job.way_back && !is_done(reached(job))) {
        tables.push_back(plan::revert_plan_from_json(*job.way_back).back.write.name);
    }
    return tables;
}

std::optional<error> keeping_back::nothing_to_compare(const job::record& job, bool) const {
    std::optional<error> why;
    if (const auto reason = why_not(job)) {
        why = error(exit_code::refused, fmt::format("the table that waits is not kept in step any more: {}", *reason),
                    fmt::format("remove what is left of the job with: pgeist cleanup {}", job.id));
    } else if (reached(job).in_effect) {
        why = error(exit_code::refused, fmt::format("job {} has not finished its swap", job.id),
                    fmt::format("first: pgeist resume {}", job.id));
    }
    return why;
}

awaitable<void> keeping_back::tell_effect(pg::pool& pool, const job::record& job, report::observer& to) const {
    report::swap_outcome done;
    done.back = old_is_in_use(job);
    const std::string name = done.back ? "reverted" : "swapped";
    {
        const auto session = co_await pool.acquire();
        co_await job::add_event(*session, job.id, name, "before the connection was lost, or the run ended");
    }
    to.swapped(done);
}

std::optional<std::string> why_not(const job::record& job) {
    if (!job.way_back) {
        return "it was not run with --revertible";
    }
    const facts known = facts_from(job.revert);
    return known.why_not;
}

const task::kind& kind() {
    static const keeping_back only(own_words(), way_back::phases());
    return only;
}

}  // namespace pgeist::way_back
