#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

#include "pgeist/job/record.hpp"
#include "pgeist/report/event_recorder.hpp"
#include "pgeist/task/kind.hpp"
#include "worker_budget.hpp"

namespace pgeist::group {

/// What the user asks of the group, as the work on one table of it sees that: its share of the workers; the swap is the
/// group's.
class share_of_controls final : public task::controls {
public:
    /// `leads`: the one by which the group asks for the swap.
    share_of_controls(task::controls& all, const worker_budget& budget, std::int64_t job, bool leads)
        : all_(&all), budget_(&budget), job_(job), leads_(leads) {}

    [[nodiscard]] int workers(int chosen) const override { return budget_->share(job_, all_->workers(chosen)); }
    /// Of all tables.
    [[nodiscard]] int all_workers(int chosen) const { return all_->workers(chosen); }
    [[nodiscard]] bool others_at_work() const override { return all_->others_at_work(); }
    [[nodiscard]] bool holds_back() const override { return all_->holds_back(); }
    [[nodiscard]] awaitable<void> before_chunk(std::int64_t rows, std::chrono::nanoseconds took) override {
        return all_->before_chunk(rows, took);
    }
    [[nodiscard]] awaitable<void> before_batch(std::int64_t rows, std::chrono::nanoseconds took) override {
        return all_->before_batch(rows, took);
    }
    [[nodiscard]] std::optional<std::string> postponed() const override { return all_->postponed(); }
    void waits_for_permission(bool waiting) override {
        if (leads_) {
            all_->waits_for_permission(waiting);
        }
    }
    void waits_for(std::optional<std::string> what) override { all_->waits_for(std::move(what)); }
    void effect_is(task::effect state) override {
        if (leads_) {
            all_->effect_is(state);
        }
    }
    [[nodiscard]] task::effect effect_state() const override { return all_->effect_state(); }
    // `pgeist verify` is about all tables: it is answered when all of them are ready.
    [[nodiscard]] bool comparison_asked() const override { return at_swap_ && all_->comparison_asked(); }
    [[nodiscard]] std::optional<std::int64_t> take_comparison() override {
        return std::exchange(handed_out_, std::nullopt);
    }
    /// The number of a request that each table answers.
    void hand_out(std::optional<std::int64_t> comparison) { handed_out_ = comparison; }
    void at_swap(bool now) { at_swap_ = leads_ && now; }
    [[nodiscard]] bool asked_to_leave() const override { return all_->asked_to_leave(); }

private:
    task::controls* all_;
    const worker_budget* budget_;
    std::int64_t job_;
    bool leads_;
    bool at_swap_ = false;
    std::optional<std::int64_t> handed_out_;
};

/// Tells of one job, among those of another that leads.
class aside final : public report::observer {
public:
    aside(report::observer& to, std::int64_t job, std::int64_t leader) : to_(&to), job_(job), leader_(leader) {}

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void phase_started(const report::phase& now) override;
    void progressed(const report::progress& now) override;
    void lock_waited(int attempt, report::milliseconds waited, const std::vector<report::blocker>& blockers) override;
    void verified(const report::verification& found) override;
    void verified_before(const std::string& what) override;
    void swapped(const report::swap_outcome& done) override;
    void not_revertible(const std::string& why) override;
    void message(report::level severity, const std::string& text) override;
    void finished(const report::outcome&) override {}

private:
    template <class Tell>
    void tell(const Tell& what);

    report::observer* to_;
    std::int64_t job_;
    std::int64_t leader_;
};

/// A job of a group beside the one that leads: what its work is made with, and must outlive it.
struct beside {
    /// `with` is the leader's, and outlives this object. `now`: the phase that the job is in.
    beside(const task::context& with, worker_budget& budget, job::record record, const task::phase& now);

    [[nodiscard]] task::context context_like(const task::context& leaders);
    /// Stores its progress, with the state that the leader's row has, and lets `work` look whether others change the
    /// table; called ten times a second, over the session of the locks.
    [[nodiscard]] awaitable<void> watch(pg::connection& session, std::int64_t leader, task::work& work);
    /// Tells that it is in this phase, unless that was told last.
    void enter(const task::phase& now);

    job::record record;
    job::tenure mine;
    job::identity known;
    share_of_controls steering;
    aside told_to;
    report::progress progress;
    report::event_recorder told;
    const task::phase* current;            ///< that it is in
    const task::phase* entered = nullptr;  ///< that was told last
    std::chrono::steady_clock::time_point next_beat;

private:
    [[nodiscard]] awaitable<void> beat(pg::connection& session, std::int64_t leader);
};

}  // namespace pgeist::group
