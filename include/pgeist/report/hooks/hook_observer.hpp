#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "pgeist/report/hooks/hook_runner.hpp"
#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/report/time_source.hpp"
#include "pgeist/report/wait_filter.hpp"

namespace pgeist::report {

/// `--hook-dir`: has programs of the user's run at events. The one named on-before-swap may object to the swap.
class hook_observer : public observer {
public:
    /// `complain` is told of hooks that fail.
    hook_observer(std::string folder, time_source time, std::function<void(const std::string&)> complain);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void swapped(const swap_outcome& done) override;
    void not_revertible(const std::string& why) override;
    void message(level severity, const std::string& text) override;
    [[nodiscard]] permission may_swap(std::string& why) override;
    void finished(const outcome& result) override;

private:
    std::shared_ptr<hook_runner::ticket> call(const std::string& name, hook_runner::variables more);
    void tell_problems();

    hook_runner runner_;
    time_source time_;
    std::function<void(const std::string&)> complain_;
    steady::time_point begun_;
    hook_runner::variables usual_;
    lock_wait_filter lock_waits_;
    wait_filter waits_;
    std::shared_ptr<hook_runner::ticket> before_swap_;
};

}  // namespace pgeist::report
