#pragma once

#include <optional>

#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/report/terminal/human_observer.hpp"

namespace pgeist::report {

/// For pipes and log files: a line when a phase begins and ends, one every few seconds meanwhile.
class plain_observer : public human_observer {
public:
    /// `with_progress` false: `--progress off`, no lines between the beginning and the end of a phase.
    plain_observer(sink& out, sink& err, terminal screen, verbosity how_much, time_source time, bool with_progress);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;

protected:
    void line(const std::string& text) override;
    void phase_ended(const phase& ended, milliseconds time, const progress& last) override;

private:
    bool with_progress_;
    steady::time_point written_{};
    std::optional<std::string> throttled_;
    lock_wait_filter lock_waits_;
};

}  // namespace pgeist::report
