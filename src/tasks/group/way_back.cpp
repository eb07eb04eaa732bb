#include "pgeist/tasks/group/way_back.hpp"

#include <utility>

#include "beside.hpp"
#include "of_group.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/tasks/children/children.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/way_back/facts.hpp"
#include "pgeist/tasks/way_back/kind.hpp"
#include "pgeist/tasks/way_back/phases.hpp"
#include "pgeist/tasks/way_back/undo.hpp"
#include "pgeist/tasks/way_back/work.hpp"
#include "worker_budget.hpp"

namespace pgeist::group {

namespace {

/// One that goes back with the leader's.
struct other_table : beside {
    other_table(const task::context& with, const task::kind& kind, worker_budget& none, job::record of)
        : beside(with, none, of, kind.reached(of)),
          work(std::make_unique<way_back::work>(kind, context_like(with), record)) {}

    std::unique_ptr<way_back::work> work;
};

/// The leader's own table, with the others beside it.
class leading_back final : public way_back::work {
public:
    leading_back(const task::kind& kind, const task::context& with, const job::record& job)
        : way_back::work(kind, with, job), kind_(&kind), with_(with), job_(job.id) {}

    [[nodiscard]] awaitable<void> begin(const task::phase& next) override {
        co_await load_others();
        co_await way_back::work::begin(next);
    }
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override {
        co_await way_back::work::watch(session, now);
        for (const auto& each : others_) {
            co_await each->watch(session, job_, *each->work);
        }
    }
    [[nodiscard]] awaitable<void> compare() override {
        co_await load_others();
        co_await way_back::work::compare();
    }

protected:
    void comparison_asked(std::int64_t number) override {
        for (const auto& each : others_) {
            each->steering.hand_out(number);
        }
    }

private:
    [[nodiscard]] awaitable<void> load_others();

    const task::kind* kind_;
    task::context with_;
    std::int64_t job_;
    worker_budget budget_;  ///< none has a share of its own: each has all workers while it alone is compared
    std::vector<std::unique_ptr<other_table>> others_;
};

awaitable<void> leading_back::load_others() {
    std::vector<std::unique_ptr<other_table>> all;
    std::vector<way_back::work*> works;
    const auto session = co_await with_.pool.acquire();
    auto records = co_await job::load_others_of_group(*session, job_);
    for (job::record& each : records) {
        all.push_back(std::make_unique<other_table>(with_, *kind_, budget_, std::move(each)));
        works.push_back(all.back()->work.get());
    }
    lead(std::move(works));
    others_ = std::move(all);  // at once: watch() looks there meanwhile
}

// From here on none of the tables is reverted, whatever becomes of the rest.
constexpr const char* close_all_sql =
    "UPDATE pgeist.jobs SET revert = coalesce(revert, '{}') || $2::jsonb WHERE group_id = $1";

awaitable<void> close_all(pg::connection& session, std::int64_t leader) {
    co_await session.query(close_all_sql, leader, way_back::closed_by_cleanup());
}

/// The leader goes last: as long as its row is there, what is left can be found.
awaitable<void> end_all(task::undo_context& at) {
    const auto closing = [&] { return close_all(at.session, at.mine.job); };
    co_await job::in_tenure(at.session, at.mine, pg::isolation::read_committed, closing);
    auto others = co_await job::others_of_group(at.session, at.mine.job);
    co_await children::undo_jobs(at, std::move(others));
    co_await way_back::end_way_back(at);
}

std::vector<task::phase> phases_back() {
    std::vector<task::phase> all = way_back::phases();
    all[static_cast<std::size_t>(way_back::step::window)].undo = end_all;
    return all;
}

task::labels_of_kind words_of_way_back() {
    task::labels_of_kind all;
    all.name = rewrite::kind_of_groups_way_back;
    all.strategy = "shadow";
    all.effect = "the tables have changed places";
    all.meanwhile = "changes go on being logged";
    return all;
}

class keeping_all_back final : public of_group<way_back::keeping_back> {
public:
    keeping_all_back() : of_group(words_of_way_back(), phases_back()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<leading_back>(*this, with, job);
    }
};

}  // namespace

const task::kind& way_back_kind() {
    static const keeping_all_back only;
    return only;
}

}  // namespace pgeist::group
