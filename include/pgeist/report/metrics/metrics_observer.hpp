#pragma once

#include <functional>
#include <optional>
#include <string>

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
    std::optional<bool> revertible;  ///< unset: the job has not come to that
    double started_at = 0;           ///< seconds since 1970, as all times
    double updated_at = 0;
    std::optional<int> exit_code;  ///< unset: at work
};

/// In the text format of Prometheus, for the node exporter's textfile collector.
[[nodiscard]] std::string prometheus_text(const metrics& what);

/// Writes the file each second, and at the end.
class metrics_observer : public observer {
public:
    /// `complain` is told, once, when the file cannot be written.
    metrics_observer(std::string path, time_source time, std::function<void(const std::string&)> complain);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void swapped(const swap_outcome& done) override;
    void not_revertible(const std::string& why) override;
    void message(level severity, const std::string& text) override;
    void finished(const outcome& result) override;

private:
    void count_time();
    void write();

    std::string path_;
    time_source time_;
    std::function<void(const std::string&)> complain_;
    metrics figures_;
    bool complained_ = false;
    std::optional<steady::time_point> counted_;
    std::optional<steady::time_point> written_;
};

}  // namespace pgeist::report
