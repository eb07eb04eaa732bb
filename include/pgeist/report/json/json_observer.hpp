#pragma once

#include <map>
#include <optional>
#include <string>

#include "pgeist/report/json/json_line.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/report/rate_meter.hpp"
#include "pgeist/report/sink.hpp"
#include "pgeist/report/time_source.hpp"

namespace pgeist::report {

/// `--output json`: one object a line. `progress` comes at most once a second, and at the end of each phase.
class json_observer : public observer {
public:
    /// `out` must outlive the observer.
    json_observer(sink& out, time_source time);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void concerns(std::int64_t job) override { job_ = job; }
    [[nodiscard]] bool tells_jobs_apart() const override { return true; }
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void swapped(const swap_outcome& done) override;
    void rehearsed(const rehearsal& found) override;
    void step_changed(const step_event& now) override;
    void not_revertible(const std::string& why) override;
    void message(level severity, const std::string& text) override;
    void finished(const outcome& result) override;

private:
    /// What is told of one job, of several that are at work side by side.
    struct story {
        phase now;
        rate_meter rate;
        progress last;
        bool held_back = false;
        std::optional<steady::time_point> written;
    };

    [[nodiscard]] json_line event(std::string_view name) const;
    void write(const json_line& line, importance weight = importance::needed);
    void write_progress(story& of, importance weight);
    /// The last figures of the phase that ends, if they were held back.
    void end_phase(story& of);
    [[nodiscard]] std::string default_message(exit_code code) const;

    sink* out_;
    time_source time_;
    steady::time_point begun_;
    [[nodiscard]] story& of_job() { return stories_[job_.value_or(0)]; }

    std::optional<std::int64_t> job_;
    std::optional<std::int64_t> started_;    ///< the job whose result comes last
    std::map<std::int64_t, story> stories_;  ///< by number
    bool swapped_ = false;
    std::optional<std::int64_t> rows_after_;
    std::string last_info_;
};

}  // namespace pgeist::report
