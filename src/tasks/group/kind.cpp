#include "pgeist/tasks/group/kind.hpp"

#include "grouping.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/tasks/children/children.hpp"
#include "pgeist/tasks/rewrite/phases.hpp"
#include "pgeist/tasks/rewrite/undo.hpp"
#include "work.hpp"

namespace pgeist::group {

namespace {

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = kind_name;
    all.strategy = "shadow";
    all.effect = "the tables have their new definitions";
    all.meanwhile = "changes go on being captured";
    all.undone = "the tables are as they were";
    all.untouched = "the source tables are in use and complete";
    return all;
}

/// The leader goes last: as long as its row is there, what is left can be found.
awaitable<void> take_back_others(task::undo_context& at) {
    auto others = co_await job::others_of_group(at.session, at.mine.job);
    co_await children::undo_jobs(at, std::move(others));
    co_await rewrite::finish_what_was_swapped(at);
}

/// Those of a rewrite. The last of them that is taken back, which comes first, takes the other tables back before.
std::vector<task::phase> phases() {
    std::vector<task::phase> all = rewrite::phases();
    all[static_cast<std::size_t>(rewrite::step::finish)].undo = take_back_others;
    return all;
}

}  // namespace

awaitable<std::vector<job::record>> others_of(pg::pool& pool, const job::record& leader) {
    const auto session = co_await pool.acquire();
    auto all = co_await job::load_others_of_group(*session, leader.id);
    co_return all;
}

std::unique_ptr<task::work> grouping::take_up(const task::context& with, const job::record& job) const {
    return std::make_unique<group::work>(*this, with, job);
}

const task::kind& kind() {
    static const grouping only(own_words(), group::phases());
    return only;
}

}  // namespace pgeist::group
