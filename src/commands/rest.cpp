#include "rest.hpp"

#include <utility>

#include "pgeist/job/family.hpp"
#include "pgeist/tasks/way_back/asked.hpp"

namespace pgeist::commands {

awaitable<std::vector<job::record>> load_all(pg::connection& session, job::record leader) {
    auto all = co_await job::load_others_of_group(session, leader.id);
    all.insert(all.begin(), std::move(leader));
    co_return all;
}

awaitable<void> let_rest(pg::connection& session, const task::kind& kind, job::record& leader) {
    auto all = co_await load_all(session, leader);
    for (job::record& each : all) {
        const job::tenure mine{each.id, each.incarnation};
        co_await way_back::restore_settings(session, mine, each);
        each.phase = kind.phases().front().name;
        co_await job::save_phase(session, mine, each.phase);
    }
    leader = std::move(all.front());
}

}  // namespace pgeist::commands
