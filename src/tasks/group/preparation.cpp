#include "pgeist/tasks/group/preparation.hpp"

#include "pgeist/job/family.hpp"
#include "pgeist/tasks/group/kind.hpp"
#include "pgeist/tasks/group/rehearsal.hpp"
#include "pgeist/tasks/rehearse/kind.hpp"

namespace pgeist::group {

awaitable<std::vector<rewrite::preparation>> prepare(pg::connection& session, job::advisory_locks* hold,
                                                     plan::group_request what, run::settings chosen, purpose aim) {
    const bool rehearsed = aim == purpose::rehearsal;
    const char* leads = rehearsed ? rehearsal_kind_name : kind_name;
    const char* is_led = rehearsed ? rehearse::kind_name : rewrite::kind_name;
    std::vector<rewrite::wanted_job> wanted;
    for (plan::group_member& each : what.members) {
        rewrite::wanted_job one;
        one.change = std::move(each.change);
        one.kind = wanted.empty() ? leads : is_led;
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
