#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "pgeist/report/observer.hpp"

namespace pgeist::report {

/// Tells several observers the same, in their order; the end with the job's number in its hint, which those who fail
/// deep in a phase do not know. Of jobs that are at work beside the first one, observers that do not tell jobs apart
/// get messages alone, which name the job.
class fan_out : public observer {
public:
    void add(std::unique_ptr<observer> one) { all_.push_back(std::move(one)); }

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void concerns(std::int64_t job) override;
    void steps_in(std::int64_t job) override;
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void verified_before(const std::string& what) override;
    void swapped(const swap_outcome& done) override;
    void rehearsed(const rehearsal& found) override;
    void step_changed(const step_event& now) override;
    void not_revertible(const std::string& why) override;
    void message(level severity, const std::string& text) override;
    [[nodiscard]] bool wants_description() const override;
    void described(const description& what) override;
    /// Granted when all grant it; one that refuses decides.
    [[nodiscard]] permission may_swap(std::string& why) override;
    void finished(const outcome& result) override;

    [[nodiscard]] bool tells_jobs_apart() const override { return true; }

private:
    template <class Tell>
    void tell(const Tell& what);
    void tell_beside(level severity, const std::string& text);

    std::vector<std::unique_ptr<observer>> all_;
    std::optional<std::int64_t> job_;
    std::int64_t in_its_place_ = 0;               ///< the job that is told of as if it were the first one; 0: none
    std::optional<std::int64_t> beside_;          ///< what is told is about this job, which another one leads
    std::map<std::int64_t, std::string> tables_;  ///< of those
};

}  // namespace pgeist::report
