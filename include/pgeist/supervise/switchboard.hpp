#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "pgeist/job/record.hpp"
#include "pgeist/task/controls.hpp"
#include "pgeist/throttle/gate.hpp"
#include "pgeist/throttle/other_sessions.hpp"
#include "pgeist/throttle/worker_governor.hpp"

namespace pgeist::supervise {

/// The switches that other sessions set through the job's row, and what the work of the job has to obey of them and of
/// the throttle's signals.
class switchboard : public task::controls {
public:
    /// `chosen` is what `pgeist set` changes; it outlives the switchboard.
    explicit switchboard(run::settings& chosen) : chosen_(&chosen), gate_(chosen), governor_(chosen.workers) {}
    /// As above, for a job of which something was asked before, of this very run before it lost its connection: what
    /// holds on, such as a pause, holds from the first step, and what was obeyed is not obeyed again.
    switchboard(run::settings& chosen, const job::record& job);

    [[nodiscard]] awaitable<void> before_chunk(std::int64_t rows, std::chrono::nanoseconds took) override;
    [[nodiscard]] awaitable<void> before_batch(std::int64_t rows, std::chrono::nanoseconds took) override;
    [[nodiscard]] bool holds_back() const override { return gate_.holds_back(); }
    void effect_is(task::effect state) override { effect_ = state; }
    [[nodiscard]] task::effect effect_state() const override { return effect_; }
    [[nodiscard]] int workers(int chosen) const override;
    [[nodiscard]] bool others_at_work() const override { return others_.present(); }
    [[nodiscard]] std::optional<std::string> postponed() const override;

    /// Not when the change is in effect: then the run only finishes.
    [[nodiscard]] bool cancel_requested() const noexcept { return asked_.cancel && effect_ != task::effect::done; }
    [[nodiscard]] bool cancel_came_too_late() const noexcept { return asked_.cancel && effect_ == task::effect::done; }
    [[nodiscard]] bool asked_to_leave() const noexcept override { return asked_.leave; }
    [[nodiscard]] bool effect_under_way() const noexcept { return effect_ == task::effect::under_way; }
    [[nodiscard]] bool swap_requested() const noexcept { return asked_.swap; }
    [[nodiscard]] bool paused() const noexcept { return asked_.paused; }
    [[nodiscard]] bool comparison_asked() const noexcept override { return asked_.verify > verify_taken_; }
    [[nodiscard]] std::optional<std::int64_t> take_comparison() noexcept override;
    void waits_for_permission(bool waiting) noexcept override { waiting_for_swap_ = waiting; }
    void waits_for(std::optional<std::string> what) override { waits_for_ = std::move(what); }
    /// Why the work waits, if it does: for the gate's reasons, or its own.
    [[nodiscard]] std::optional<std::string> reason_to_wait() const {
        auto reason = gate_.reason();
        return reason ? reason : waits_for_;
    }
    [[nodiscard]] bool waiting_for_swap() const noexcept { return waiting_for_swap_; }
    /// Obeys what was asked for; `to` is told of settings that are changed, and of those that cannot be.
    /// @returns the number to acknowledge; nothing when nothing is new
    [[nodiscard]] std::optional<std::int64_t> asked(job::control_request request, report::observer& to);
    /// For `--workers auto`: how many workers there should be by what the copy, or the verification, has achieved.
    void govern(std::int64_t rows_done, bool chunks_at_work);
    [[nodiscard]] throttle::other_sessions& others() noexcept { return others_; }
    [[nodiscard]] throttle::gate& gate() noexcept { return gate_; }
    [[nodiscard]] const run::settings& chosen() const noexcept { return *chosen_; }

private:
    void change(const job::control_request::change& what, report::observer& to);

    run::settings* chosen_;
    std::int64_t job_ = 0;
    throttle::gate gate_;
    throttle::worker_governor governor_;
    throttle::other_sessions others_;
    job::control_request asked_;
    std::int64_t obeyed_ = 0;
    std::int64_t changes_made_ = 0;
    std::int64_t verify_taken_ = 0;
    task::effect effect_ = task::effect::to_come;
    bool waiting_for_swap_ = false;
    std::optional<std::string> waits_for_;
};

}  // namespace pgeist::supervise
