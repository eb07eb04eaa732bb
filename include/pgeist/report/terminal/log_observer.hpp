#pragma once

#include <optional>
#include <string>

#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/report/rate_meter.hpp"
#include "pgeist/report/sink.hpp"
#include "pgeist/report/time_source.hpp"
#include "pgeist/report/wait_filter.hpp"

namespace pgeist::report {

/// `--log-file` as text: one line an event, `TIME LEVEL job=N phase=NAME WORDS`; progress twice a minute, and at once
/// when the run begins to wait or goes on.
class log_observer : public observer {
public:
    /// `out` must outlive the observer.
    log_observer(sink& out, time_source time);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void swapped(const swap_outcome& done) override;
    void rehearsed(const rehearsal& found) override;
    void step_changed(const step_event& now) override;
    void message(level severity, const std::string& text) override;
    void finished(const outcome& result) override;

private:
    void write(level severity, const std::string& words);

    sink* out_;
    time_source time_;
    steady::time_point begun_;
    std::optional<std::int64_t> job_;
    phase phase_;
    rate_meter rate_;
    lock_wait_filter lock_waits_;
    wait_filter waits_;
    steady::time_point phase_begun_;
    std::optional<steady::time_point> written_;
};

}  // namespace pgeist::report
