#pragma once

#include <memory>
#include <vector>

#include "member.hpp"
#include "pgeist/tasks/rewrite/work.hpp"
#include "worker_budget.hpp"

namespace pgeist::group {

/// What the leader's own work is made with, and so must be there before it.
struct leading {
    leading(const task::context& with, std::int64_t job)
        : steering(with.steering), own_share(with.steering, budget, job, true) {}

    task::controls& steering;  ///< of all tables
    worker_budget budget;
    share_of_controls own_share;
};

/// A group at work: the rewrite of the leader's table, with those of the others beside it. Up to the swap each goes
/// through its phases by itself, and stores how far it is in its own job's row; those that are ready are kept in step
/// until all are. The swap is one for all, and what comes after it is done for all.
class work : private leading, public rewrite::work {
public:
    work(const task::kind& kind, const task::context& with, const job::record& job);
    ~work() override;

    [[nodiscard]] awaitable<void> begin(const task::phase& next) override;
    [[nodiscard]] awaitable<const task::phase*> carry_out(const task::phase& now) override;
    [[nodiscard]] awaitable<void> watch(pg::connection& session, const task::phase& now) override;
    [[nodiscard]] awaitable<void> reach(pg::connection& session, job::tenure mine, const task::phase& next) override;
    [[nodiscard]] awaitable<void> compare() override;

protected:
    [[nodiscard]] awaitable<void> finish() override;
    [[nodiscard]] awaitable<void> replay_pass() override;
    [[nodiscard]] awaitable<void> compare_as_asked() override;
    [[nodiscard]] awaitable<std::optional<report::swap_outcome>> try_to_swap() override;
    [[nodiscard]] awaitable<void> tell_swap(report::swap_outcome done) override;

    /// One of the tables comes into a phase before the swap, and has done it, with so many rows.
    [[nodiscard]] virtual awaitable<void> phase_begins(const task::phase&, std::int64_t /*job*/) { co_return; }
    [[nodiscard]] virtual awaitable<void> phase_ends(const task::phase&, std::int64_t /*rows*/) { co_return; }
    [[nodiscard]] std::vector<swap::exchanged> all_tables();
    [[nodiscard]] const std::vector<std::unique_ptr<member_at_work>>& others() const { return others_; }

private:
    /// A table of the group on its way to the swap; the leader's own has no member.
    struct driven {
        member_at_work* other = nullptr;
        std::int64_t job = 0;
        const task::phase* reached = nullptr;
        bool ready = false;
    };

    [[nodiscard]] awaitable<void> load_others();
    [[nodiscard]] awaitable<void> hand_over(pg::connection& session, job::tenure mine);
    [[nodiscard]] awaitable<void> drive(const task::phase& now);
    [[nodiscard]] awaitable<void> drive_one(driven& table);
    [[nodiscard]] awaitable<void> come_to_swap(driven& table);
    [[nodiscard]] awaitable<const task::phase*> do_phase(driven& table);
    [[nodiscard]] awaitable<void> store_phase(driven& table);
    [[nodiscard]] awaitable<const task::phase*> keep_one_up(driven& table);
    [[nodiscard]] awaitable<const task::phase*> exchange();
    [[nodiscard]] awaitable<void> require_all_unchanged();
    [[nodiscard]] awaitable<void> validate(build::workspace& of);
    [[nodiscard]] awaitable<void> release_all();
    [[nodiscard]] bool all_ready() const;
    [[nodiscard]] const task::phase& swap_phase() const { return at(rewrite::step::swap); }
    /// What the table, or the leader, waits for, for people.
    [[nodiscard]] std::string whom_it_waits_for() const;

    const task::kind* kind_;
    std::vector<std::unique_ptr<member_at_work>> others_;
    std::vector<driven> driven_;
    int keeping_up_ = 0;                    ///< how many of them are being brought up to date
    const task::phase* entered_ = nullptr;  ///< the leader's own that was told last
};

}  // namespace pgeist::group
