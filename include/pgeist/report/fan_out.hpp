#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pgeist/report/observer.hpp"

namespace pgeist::report {

/// Tells several observers the same, in their order; the end with the job's number in its hint, which those who fail
/// deep in a phase do not know.
class fan_out : public observer {
public:
    void add(std::unique_ptr<observer> one) { all_.push_back(std::move(one)); }

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
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

private:
    std::vector<std::unique_ptr<observer>> all_;
    std::optional<std::int64_t> job_;
};

}  // namespace pgeist::report
