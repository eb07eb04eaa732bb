#include "work.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/replay_times.hpp"

namespace pgeist::group {

namespace {

task::context with_share(const task::context& with, task::controls& steering) {
    return {with.pool,  with.chosen,   with.observer, with.progress, steering,
            with.enter, with.hold_pid, with.known,    with.mine,     with.of_others};
}

constexpr auto turn_poll = std::chrono::milliseconds(100);

}  // namespace

work::work(const task::kind& kind, const task::context& with, const job::record& job)
    : leading(with, job.id), rewrite::work(kind, with_share(with, own_share), job), kind_(&kind) {
    budget.add(job.id, workspace().plan.table_bytes);
}

work::~work() = default;

/// From here on the group keeps its way back: all of its jobs, or none yet.
awaitable<void> work::reach(pg::connection& session, job::tenure mine, const task::phase& next) {
    if (!kind_->is_done(next) || !is_revertible()) {
        co_await rewrite::work::reach(session, mine, next);
        co_return;
    }
    const auto handing = [&] { return hand_over(session, mine); };
    co_await job::in_tenure(session, mine, pg::isolation::read_committed, handing);
}

awaitable<void> work::hand_over(pg::connection& session, job::tenure mine) {
    for (const auto& each : others_) {
        co_await job::hand_over(session, each->mine, rewrite::kind_of_way_back, rewrite::first_phase_of_way_back);
    }
    co_await job::hand_over(session, mine, rewrite::kind_of_groups_way_back, rewrite::first_phase_of_way_back);
}

awaitable<void> work::load_others() {
    std::vector<std::unique_ptr<member_at_work>> all;
    const auto session = co_await with().pool.acquire();
    auto records = co_await job::load_others_of_group(*session, workspace().job);
    for (job::record& each : records) {
        all.push_back(std::make_unique<member_at_work>(with(), *kind_, budget, std::move(each)));
    }
    others_ = std::move(all);  // at once: watch() looks there meanwhile
}

awaitable<void> work::begin(const task::phase& next) {
    co_await load_others();
    co_await rewrite::work::begin(next);
    for (const auto& each : others_) {
        co_await each->work->begin(*each->reached);
    }
}

awaitable<void> work::watch(pg::connection& session, const task::phase& now) {
    co_await rewrite::work::watch(session, now);
    for (const auto& each : others_) {
        co_await each->watch(session, workspace().job, *each->work);
    }
}

std::vector<swap::exchanged> work::all_tables() {
    std::vector<swap::exchanged> all;
    all.push_back({&workspace(), &changes()});
    for (const auto& each : others_) {
        all.push_back({&each->work->workspace(), &each->work->changes()});
    }
    return all;
}

awaitable<const task::phase*> work::carry_out(const task::phase& now) {
    if (now.in_effect) {
        co_return co_await rewrite::work::carry_out(now);
    }
    co_await drive(now);
    if (&now != &swap_phase()) {
        co_return &swap_phase();
    }
    co_return co_await exchange();
}

bool work::all_ready() const {
    return std::all_of(driven_.begin(), driven_.end(), [](const driven& each) { return each.ready; });
}

std::string work::whom_it_waits_for() const {
    std::string names;
    for (const driven& each : driven_) {
        if (!each.ready) {
            names += fmt::format("{}{}", names.empty() ? "waiting for job " : ", ", each.job);
        }
    }
    return names;
}

awaitable<void> work::drive(const task::phase& now) {
    driven_.clear();
    keeping_up_ = 0;
    entered_ = &now;  // the supervisor has told it
    driven own;
    own.job = workspace().job;
    own.reached = &now;
    driven_.push_back(own);
    for (const auto& each : others_) {
        driven other;
        other.other = each.get();
        other.job = each->record.id;
        other.reached = each->reached;
        driven_.push_back(other);
    }
    for (driven& each : driven_) {
        each.ready = !kind_->is_before(*each.reached, swap_phase());
        if (each.ready) {  // of before an interruption: nobody waits for its turn
            budget.ends(each.job);
        } else {
            budget.waits(each.job);
        }
    }
    if (all_ready()) {
        co_return;
    }
    std::vector<awaitable<void>> all;
    for (driven& each : driven_) {
        all.push_back(drive_one(each));
    }
    co_await pg::run_all(std::move(all));
}

/// Ends when all are ready and nobody is being brought up to date: that may find its table truncated, and then the
/// others must be kept in step for as long as it is copied again.
awaitable<void> work::drive_one(driven& table) {
    while (!all_ready() || keeping_up_ > 0) {
        if (!table.ready) {
            co_await come_to_swap(table);
            continue;
        }
        if (all_ready()) {
            co_await pg::sleep_for(turn_poll);
            continue;
        }
        ++keeping_up_;
        table.reached = co_await keep_one_up(table);
        --keeping_up_;
        table.ready = table.reached == &swap_phase();
        if (table.ready && !all_ready()) {
            workspace().progress.detail = whom_it_waits_for();
            co_await pg::sleep_for(rewrite::replay_pause);
        }
    }
}

/// All phases of one table before the swap, when its turn has come.
awaitable<void> work::come_to_swap(driven& table) {
    budget.waits(table.job);
    while (!budget.may_begin(table.job, own_share.all_workers(with().chosen.workers))) {
        co_await pg::sleep_for(turn_poll);
    }
    budget.begins(table.job);
    while (kind_->is_before(*table.reached, swap_phase())) {
        table.reached = co_await do_phase(table);
        co_await store_phase(table);
    }
    budget.ends(table.job);
    table.ready = true;
}

awaitable<const task::phase*> work::do_phase(driven& table) {
    const task::phase* next = nullptr;
    const task::phase& now = *table.reached;
    co_await phase_begins(now, table.job);
    std::int64_t rows = 0;
    if (table.other == nullptr) {
        rows = co_await done_before(now);
        workspace().progress.rows_done = rows;
        if (std::exchange(entered_, &now) != &now) {
            with().enter(now);
        }
        next = co_await rewrite::work::carry_out(now);
        rows = workspace().progress.rows_done;
    } else {
        rows = co_await table.other->work->done_before(now);
        table.other->progress.rows_done = rows;
        table.other->enter(now);
        next = co_await table.other->work->carry_out(now);
        rows = table.other->progress.rows_done;
    }
    co_await phase_ends(now, rows);
    co_return next;
}

awaitable<void> work::store_phase(driven& table) {
    const auto session = co_await with().pool.acquire();
    if (table.other == nullptr) {
        co_await reach(*session, workspace().tenure(), *table.reached);
    } else {
        table.other->reached = table.reached;
        co_await table.other->work->reach(*session, table.other->mine, *table.reached);
    }
}

awaitable<const task::phase*> work::keep_one_up(driven& table) {
    const task::phase* next = nullptr;
    if (table.other == nullptr) {
        next = co_await keep_up();
    } else {
        next = co_await table.other->work->keep_up();
        table.other->reached = next;
    }
    co_return next;
}

awaitable<void> work::require_all_unchanged() {
    co_await require_unchanged();
    for (const auto& each : others_) {
        co_await each->work->require_unchanged();
    }
}

/// Which of the tables was truncated, or rewritten, each of them sees by itself: that one starts again, and the others
/// are kept in step meanwhile.
awaitable<const task::phase*> work::exchange() {
    for (const auto& each : others_) {
        each->enter(swap_phase());
    }
    own_share.at_swap(true);
    bool again = false;
    std::exception_ptr failure;
    try {
        co_await swap();
        workspace().observer.progressed(workspace().progress);
    } catch (const transfer::source_truncated&) {
        again = true;
    } catch (const transfer::source_rewritten&) {
        again = true;
    } catch (const error&) {
        failure = std::current_exception();
    }
    own_share.at_swap(false);
    if (failure) {
        if (may_blame_others(failure)) {
            co_await require_all_unchanged();
        }
        std::rethrow_exception(failure);
    }
    const task::phase* next = &at(rewrite::step::finish);
    if (again) {
        next = co_await look_again();
        for (const auto& each : others_) {
            each->reached = co_await each->work->look_again();
        }
    }
    co_return next;
}

awaitable<void> work::compare() {
    co_await load_others();
    for (const auto& each : others_) {
        co_await each->work->compare();
    }
    co_await rewrite::work::compare();
}

}  // namespace pgeist::group
