#pragma once

#include <deque>
#include <string>
#include <utility>

#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::report {

/// Hands on what a run tells, and keeps what the job's row and its events are to say of it: who is in the way of a
/// lock, and what people were told.
class event_recorder : public observer {
public:
    /// Both outlive the event_recorder.
    event_recorder(observer& to, progress& progress) : to_(&to), progress_(&progress) {}

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void concerns(std::int64_t job) override { to_->concerns(job); }
    void steps_in(std::int64_t job) override { to_->steps_in(job); }
    [[nodiscard]] bool tells_jobs_apart() const override { return to_->tells_jobs_apart(); }
    void phase_started(const report::phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void verified_before(const std::string& what) override { to_->verified_before(what); }
    void swapped(const swap_outcome& done) override;
    void rehearsed(const rehearsal& found) override { to_->rehearsed(found); }
    void step_changed(const step_event& now) override;
    void not_revertible(const std::string& why) override;
    void message(level severity, const std::string& text) override;
    void described(const description& what) override;
    [[nodiscard]] bool wants_description() const override { return to_->wants_description(); }
    [[nodiscard]] permission may_swap(std::string& why) override { return to_->may_swap(why); }
    void finished(const outcome& result) override;

    /// The phase that the run is in; without a name before the first.
    [[nodiscard]] const report::phase& phase() const noexcept { return phase_; }
    /// Event and detail, oldest first; what could not be stored in time is dropped, oldest first.
    [[nodiscard]] std::deque<std::pair<std::string, std::string>> take_events() { return std::exchange(events_, {}); }

    /// One more event for the job's history.
    void note(std::string event, std::string detail);
    /// What was taken but could not be stored.
    void give_back(std::deque<std::pair<std::string, std::string>> events);

private:
    observer* to_;
    progress* progress_;
    report::phase phase_;
    lock_wait_filter filter_;
    std::deque<std::pair<std::string, std::string>> events_;
};

}  // namespace pgeist::report
