#include "pgeist/tasks/group/preparation.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/tasks/group/kind.hpp"

namespace pgeist::group {

namespace {

void require_possible(const run::settings& chosen) {
    if (chosen.revertible) {
        throw error(exit_code::refused, "tables that are exchanged together cannot be kept revertible yet",
                    "run it without --revertible");
    }
}

}  // namespace

awaitable<std::vector<rewrite::preparation>> prepare(pg::connection& session, job::advisory_locks* hold,
                                                     plan::group_request what, run::settings chosen) {
    require_possible(chosen);
    std::vector<rewrite::wanted_job> wanted;
    for (plan::group_member& each : what.members) {
        rewrite::wanted_job one;
        one.change = std::move(each.change);
        one.kind = wanted.empty() ? kind_name : rewrite::kind_name;
        wanted.push_back(std::move(one));
    }
    auto made = co_await rewrite::prepare_together(session, hold, std::move(wanted), std::move(chosen));
    std::vector<std::int64_t> jobs;
    for (const rewrite::preparation& each : made) {
        if (each.blueprint && !each.nothing_to_do) {
            jobs.push_back(each.job);
        }
    }
    if (hold != nullptr && jobs.size() == made.size()) {
        co_await job::make_group(session, std::move(jobs));
    }
    co_return made;
}

}  // namespace pgeist::group
