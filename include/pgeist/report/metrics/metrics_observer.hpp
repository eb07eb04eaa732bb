#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/report/observer.hpp"
#include "pgeist/report/time_source.hpp"

namespace pgeist::report {

/// What `--metrics` tells of a run.
struct metrics {
    std::int64_t job = 0;
    std::string table;
    std::string phase;
    progress now;
    std::int64_t rows_copied = 0;
    std::int64_t rows_verified = 0;
    double throttled_seconds = 0;
    std::int64_t lock_attempts_failed = 0;
    std::optional<double> lock_held_seconds;
    bool given_up = false;  ///< the swap cannot be taken back any more
    double started_at = 0;  ///< seconds since 1970, as all times
    double updated_at = 0;
    std::optional<int> exit_code;  ///< unset: at work
};

/// In the text format of Prometheus, for the node exporter's textfile collector: of a job, and of those that are at
/// work together with it, which it leads; of several what they are together, too.
[[nodiscard]] std::string prometheus_text(const std::vector<metrics>& jobs);

/// Writes the file each second, and at the end.
class metrics_observer : public observer {
public:
    /// `complain` is told, once, when the file cannot be written.
    metrics_observer(std::string path, time_source time, std::function<void(const std::string&)> complain);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void concerns(std::int64_t job) override;
    void steps_in(std::int64_t job) override { in_its_place_ = job; }
    [[nodiscard]] bool tells_jobs_apart() const override { return true; }
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void swapped(const swap_outcome& done) override;
    void not_revertible(const std::string& why) override;
    void message(level severity, const std::string& text) override;
    void finished(const outcome& result) override;

private:
    void count_time(metrics& of);
    void write();
    [[nodiscard]] metrics& figures() { return jobs_[told_of_]; }

    std::string path_;
    time_source time_;
    std::function<void(const std::string&)> complain_;
    std::vector<metrics> jobs_{1};  ///< the one that was started first
    std::size_t told_of_ = 0;       ///< place of the one that is told of
    std::int64_t in_its_place_ = 0;
    bool complained_ = false;
    std::map<std::int64_t, steady::time_point> counted_;  ///< by job
    std::optional<steady::time_point> written_;
};

}  // namespace pgeist::report
