#pragma once

#include <chrono>

#include "pgeist/job/hold.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/job/workspace.hpp"

namespace pgeist::run {

/// The switches that other sessions set through the job's row, and the brake that obeys them.
class switchboard : public job::brake {
public:
    [[nodiscard]] awaitable<void> before_chunk(std::int64_t rows, std::chrono::nanoseconds took) override;
    [[nodiscard]] awaitable<void> before_batch() override;

    [[nodiscard]] bool cancel_requested() const noexcept { return asked_.cancel; }
    [[nodiscard]] bool swap_requested() const noexcept { return asked_.swap; }
    [[nodiscard]] bool paused() const noexcept { return asked_.paused; }
    /// The run has all done but the swap, which the user postponed.
    void waiting_for_swap(bool waiting) noexcept { waiting_for_swap_ = waiting; }
    [[nodiscard]] bool waiting_for_swap() const noexcept { return waiting_for_swap_; }
    void asked(job::control_request request) { asked_ = std::move(request); }

private:
    job::control_request asked_;
    bool waiting_for_swap_ = false;
};

/// Shows progress, stores it with the job each second, and reads what others ask for, over the session that holds the
/// job's locks: a run that has lost its lock ends here. Runs until `finished` is set.
/// @throws cancelled when `pgeist cancel` asks for it; sql_error when the session is lost
[[nodiscard]] awaitable<void> pulse(job::workspace& work, job::hold& hold, switchboard& switches, const bool& finished);

}  // namespace pgeist::run
