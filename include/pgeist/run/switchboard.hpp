#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "pgeist/job/store.hpp"
#include "pgeist/swap/gate.hpp"
#include "pgeist/throttle/gate.hpp"
#include "pgeist/throttle/other_sessions.hpp"
#include "pgeist/throttle/worker_governor.hpp"
#include "pgeist/transfer/shared/brake.hpp"

namespace pgeist::run {

/// The switches that other sessions set through the job's row, and the brake that obeys them and the throttle's
/// signals.
class switchboard : public transfer::brake, public swap::gate {
public:
    /// `chosen` is what `pgeist set` changes; it outlives the switchboard.
    explicit switchboard(settings& chosen) : chosen_(&chosen), gate_(chosen), governor_(chosen.workers) {}
    /// As above, for a job of which something was asked before, of this very run before it lost its connection: what
    /// holds on, such as a pause, holds from the first step, and what was obeyed is not obeyed again.
    switchboard(settings& chosen, const job::record& job);

    [[nodiscard]] awaitable<void> before_chunk(std::int64_t rows, std::chrono::nanoseconds took) override;
    [[nodiscard]] awaitable<void> before_batch(std::int64_t rows, std::chrono::nanoseconds took) override;
    [[nodiscard]] bool holds_back() const override { return gate_.holds_back(); }
    [[nodiscard]] bool holds_swap() override;
    void swap_is(swap::state state) override { swap_ = state; }
    [[nodiscard]] int workers(int chosen) const override;
    [[nodiscard]] bool others_at_work() const override { return others_.present(); }
    /// Why the swap has to wait for the user's will, if it has: a pause, an option, a file, the time of day.
    [[nodiscard]] std::optional<std::string> postponed(std::int64_t job) const;

    /// Not after the swap: then the run only finishes.
    [[nodiscard]] bool cancel_requested() const noexcept { return asked_.cancel && swap_ != swap::state::committed; }
    [[nodiscard]] bool cancel_came_too_late() const noexcept {
        return asked_.cancel && swap_ == swap::state::committed;
    }
    [[nodiscard]] bool swap_under_way() const noexcept { return swap_ == swap::state::under_way; }
    /// No attempt is under way, and none has succeeded.
    [[nodiscard]] bool swap_is_to_come() const noexcept { return swap_ == swap::state::none; }
    [[nodiscard]] bool swap_requested() const noexcept { return asked_.swap; }
    [[nodiscard]] bool paused() const noexcept { return asked_.paused; }
    /// Whether `pgeist verify` asked for a comparison that has not begun.
    [[nodiscard]] bool verify_asked() const noexcept { return asked_.verify > verify_taken_; }
    /// The number of that request, if there is one: it is taken for begun.
    [[nodiscard]] std::optional<std::int64_t> take_verify_request() noexcept;
    /// The run has all done but the swap, which the user postponed.
    void waiting_for_swap(bool waiting) noexcept { waiting_for_swap_ = waiting; }
    [[nodiscard]] bool waiting_for_swap() const noexcept { return waiting_for_swap_; }
    /// Obeys what was asked for; `to` is told of settings that are changed, and of those that cannot be.
    /// @returns the number to acknowledge; nothing when nothing is new
    [[nodiscard]] std::optional<std::int64_t> asked(job::control_request request, report::observer& to);
    /// For `--workers auto`: how many workers there should be by what the copy, or the verification, has achieved.
    void govern(std::int64_t rows_done, bool chunks_at_work);
    [[nodiscard]] throttle::other_sessions& others() noexcept { return others_; }
    [[nodiscard]] throttle::gate& gate() noexcept { return gate_; }
    [[nodiscard]] const settings& chosen() const noexcept { return *chosen_; }

private:
    void change(const job::control_request::change& what, report::observer& to);

    settings* chosen_;
    throttle::gate gate_;
    throttle::worker_governor governor_;
    throttle::other_sessions others_;
    job::control_request asked_;
    std::int64_t obeyed_ = 0;
    std::int64_t changes_made_ = 0;
    std::int64_t verify_taken_ = 0;
    swap::state swap_ = swap::state::none;
    bool waiting_for_swap_ = false;
};

}  // namespace pgeist::run
