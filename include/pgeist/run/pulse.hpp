#pragma once

#include <chrono>

#include "pgeist/job/hold.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/job/workspace.hpp"
#include "pgeist/throttle/gate.hpp"

namespace pgeist::run {

/// The switches that other sessions set through the job's row, and the brake that obeys them and the throttle's
/// signals.
class switchboard : public job::brake {
public:
    explicit switchboard(const settings& chosen) : gate_(chosen) {}

    [[nodiscard]] awaitable<void> before_chunk(std::int64_t rows, std::chrono::nanoseconds took) override;
    [[nodiscard]] awaitable<void> before_batch(std::int64_t rows, std::chrono::nanoseconds took) override;

    [[nodiscard]] bool cancel_requested() const noexcept { return asked_.cancel; }
    [[nodiscard]] bool swap_requested() const noexcept { return asked_.swap; }
    [[nodiscard]] bool paused() const noexcept { return asked_.paused; }
    /// The run has all done but the swap, which the user postponed.
    void waiting_for_swap(bool waiting) noexcept { waiting_for_swap_ = waiting; }
    [[nodiscard]] bool waiting_for_swap() const noexcept { return waiting_for_swap_; }
    void asked(job::control_request request);
    [[nodiscard]] throttle::gate& gate() noexcept { return gate_; }

private:
    throttle::gate gate_;
    job::control_request asked_;
    bool waiting_for_swap_ = false;
};

/// Shows progress, stores it with the job each half second, reads what others ask for, and looks each second whether
/// somebody has changed the source's definition or the triggers on it; all over the session that holds the job's locks:
/// a run that has lost its lock ends here. Keeps `known` up to date with the server's WAL; `reached` is the phase the
/// run is in. Runs until it is cancelled.
/// @throws cancelled when `pgeist cancel` asks for it; sql_error when the session is lost; error naming what was
/// changed
[[nodiscard]] awaitable<void> pulse(job::workspace& work, job::hold& hold, switchboard& switches, job::identity& known,
                                    const job::phase& reached);

}  // namespace pgeist::run
