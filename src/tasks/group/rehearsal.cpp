#include "pgeist/tasks/group/rehearsal.hpp"

#include <set>
#include <utility>

#include "grouping.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/swap/prediction.hpp"
#include "pgeist/tasks/children/children.hpp"
#include "pgeist/tasks/rehearse/kind.hpp"
#include "pgeist/tasks/rehearse/rehearsal.hpp"
#include "pgeist/tasks/rewrite/phases.hpp"
#include "pgeist/tasks/rewrite/undo.hpp"
#include "work.hpp"

namespace pgeist::group {

namespace {

/// What the swap of all tables would lock.
lock::target locked_by_all(const std::vector<swap::exchanged>& tables) {
    lock::target whole;
    for (const swap::exchanged& each : tables) {
        const lock::target one = swap::locked_by_swap(each.work->plan);
        whole.parents.insert(whole.parents.end(), one.parents.begin(), one.parents.end());
        whole.tables.insert(whole.tables.end(), one.tables.begin(), one.tables.end());
    }
    return whole;
}

class rehearsing final : public group::work {
public:
    rehearsing(const task::kind& kind, const task::context& with, const job::record& job)
        : group::work(kind, with, job),
          kind_(&kind),
          table_(job.table),
          change_(kind.describe(job.change)),
          rehearsed_(with) {}

    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] awaitable<void> reach(pg::connection& session, job::tenure mine, const task::phase& next) override {
        return task::work::reach(session, mine, next);  // no way back is kept, whatever was planned for one
    }
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override;

protected:
    [[nodiscard]] awaitable<void> swap() override;
    [[nodiscard]] awaitable<void> finish() override;
    [[nodiscard]] awaitable<void> phase_begins(const task::phase& now, std::int64_t job) override;
    [[nodiscard]] awaitable<void> phase_ends(const task::phase& now, std::int64_t rows) override;

private:
    [[nodiscard]] bool is_over(const task::phase& now) const {
        return !kind_->is_before(now, at(rewrite::step::finish));
    }
    [[nodiscard]] awaitable<const task::phase*> do_last(const task::phase& now);
    [[nodiscard]] std::vector<std::string> schemas();
    [[nodiscard]] awaitable<void> tell();

    const task::kind* kind_;
    qualified_name table_;
    std::string change_;
    rehearse::rehearsal rehearsed_;
    std::set<std::int64_t> copying_;  ///< the jobs whose tables are being copied
};

std::vector<std::string> rehearsing::schemas() {
    std::vector<std::string> all;
    for (const swap::exchanged& each : all_tables()) {
        const auto own = kind_->own_schemas(each.work->job);
        all.insert(all.end(), own.begin(), own.end());
    }
    return all;
}

awaitable<void> rehearsing::phase_begins(const task::phase& now, std::int64_t job) {
    if (now.name == "copy") {
        copying_.insert(job);
    } else {
        copying_.erase(job);
    }
    return rehearsed_.phase_begins(now.told.name);
}

awaitable<void> rehearsing::phase_ends(const task::phase& now, std::int64_t rows) {
    co_await rehearsed_.phase_ends(now.told.name, schemas());
    if (now.name == "copy") {
        rehearsed_.copied(rows);
    }
}

awaitable<const task::phase*> rehearsing::carry_out(const task::phase& now) {
    const task::phase* next = nullptr;
    if (is_over(now)) {
        next = co_await do_last(now);
    } else {
        next = co_await group::work::carry_out(now);
    }
    co_return next;
}

awaitable<const task::phase*> rehearsing::do_last(const task::phase& now) {
    co_await phase_begins(now, workspace().job);
    co_await finish();
    co_await phase_ends(now, 0);
    co_await tell();
    co_return &kind_->next(now);
}

awaitable<void> rehearsing::watch(pg::connection& session, const task::phase& now) {
    if (is_over(now)) {
        co_return;  // the triggers may be off already
    }
    co_await group::work::watch(session, now);
    if (now.name == "prepare" || now.name == "capture") {
        co_return;
    }
    for (const swap::exchanged& each : all_tables()) {
        if (copying_.contains(each.work->job)) {
            rehearsed_.note(each.work->job, each.work->progress);
        }
    }
    const lock::target wanted = locked_by_all(all_tables());
    co_await rehearsed_.look(session, wanted, workspace().job, schemas());
}

awaitable<void> rehearsing::swap() {
    const task::phase& now = at(rewrite::step::swap);
    co_await phase_begins(now, workspace().job);
    co_await swap::reach_one_moment(all_tables(), swap::ahead::build);
    std::function<awaitable<void>()> pass = [this] { return replay_pass(); };
    co_await rehearsed_.rehearse_swap(all_tables(), std::move(pass));
    co_await phase_ends(now, 0);
}

awaitable<void> rehearsing::finish() {
    workspace().progress.detail = "taking everything back";
    for (const auto& each : others()) {
        each->enter(at(rewrite::step::finish));
        const std::int64_t oid = each->work->workspace().plan.source_oid;
        co_await rewrite::take_back(with(), each->mine, each->record.table, oid);
        const auto session = co_await with().pool.acquire();
        co_await job::save_phase(*session, each->mine, kind_->phases().back().name);
    }
    co_await rewrite::take_back(with(), workspace().tenure(), table_, workspace().plan.source_oid);
}

awaitable<void> rehearsing::tell() {
    std::string tables = table_.display();
    std::string changes = change_;
    report::table_size here;
    for (const auto& each : others()) {
        tables += ", " + each->record.table.display();
        changes += "; " + kind_->describe(each->record.change);
    }
    for (const swap::exchanged& each : all_tables()) {
        here.rows += each.work->plan.estimated_rows;
        here.table_bytes += each.work->plan.table_bytes;
        here.index_bytes += each.work->plan.index_bytes;
    }
    co_await rehearsed_.tell(std::move(tables), std::move(changes), here, workspace().job);
}

/// The leader goes last: as long as its row is there, what is left can be found.
awaitable<void> take_back_rehearsals(task::undo_context& at) {
    auto others = co_await job::others_of_group(at.session, at.mine.job);
    children::kinds more;
    more.push_back(&rehearse::kind());
    co_await children::undo_jobs(at, std::move(others), std::move(more));
}

/// Those of a rehearsal of one table.
std::vector<task::phase> rehearsal_phases() {
    std::vector<task::phase> all = rehearse::kind().phases();
    all[static_cast<std::size_t>(rewrite::step::finish)].undo = take_back_rehearsals;
    return all;
}

task::labels_of_kind words_of_rehearsal() {
    task::labels_of_kind all = rehearse::kind().labels();
    all.name = rehearsal_kind_name;
    all.undone = "the tables are as they were";
    all.untouched = "the source tables are in use and complete";
    return all;
}

class group_rehearsal final : public grouping {
public:
    group_rehearsal() : grouping(words_of_rehearsal(), rehearsal_phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<rehearsing>(*this, with, job);
    }
    [[nodiscard]] std::vector<qualified_name> written_tables(const job::record& job) const override {
        const bool taken_back = !is_before(reached(job), phase_named("take_back"));
        return taken_back ? std::vector<qualified_name>() : grouping::written_tables(job);
    }
};

}  // namespace

const task::kind& rehearsal_kind() {
    static const group_rehearsal only;
    return only;
}

}  // namespace pgeist::group
