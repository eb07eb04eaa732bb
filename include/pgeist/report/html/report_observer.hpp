#pragma once

#include <functional>
#include <optional>
#include <string>

#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/report/run_record.hpp"
#include "pgeist/report/wait_filter.hpp"

namespace pgeist::report {

/// `--report`: keeps a record of the run, and writes the page when it has ended, however it has.
class report_observer : public observer {
public:
    /// `complain` is told when the file cannot be written.
    report_observer(std::string path, std::string change, time_source time,
                    std::function<void(const std::string&)> complain);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void concerns(std::int64_t job) override;
    void steps_in(std::int64_t job) override { in_its_place_ = job; }
    [[nodiscard]] bool tells_jobs_apart() const override { return true; }
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void rehearsed(const rehearsal& found) override;
    void verified_before(const std::string& what) override;
    void swapped(const swap_outcome& done) override;
    void not_revertible(const std::string& why) override;
    void message(level severity, const std::string& text) override;
    [[nodiscard]] bool wants_description() const override { return true; }
    void described(const description& what) override;
    void finished(const outcome& result) override;

    [[nodiscard]] const run_record& record() const noexcept { return record_; }

private:
    [[nodiscard]] double at() const;
    /// The table beside the first one that is told of; null: none.
    [[nodiscard]] run_record::member* beside();
    [[nodiscard]] run_record::member* find_member(std::int64_t job);
    void end_phase();
    void sample(const progress& now);
    void note_throttle(const progress& now);
    void note_way_back(const progress& now);

    std::string path_;
    time_source time_;
    std::function<void(const std::string&)> complain_;
    steady::time_point begun_;
    run_record record_;
    std::int64_t told_of_ = 0;
    std::int64_t in_its_place_ = 0;
    wait_filter waits_;
    double interval_ = 0.5;  ///< seconds between samples; doubled whenever there are too many
    double last_sample_at_ = 0;
    std::int64_t last_sample_rows_ = 0;
};

}  // namespace pgeist::report
