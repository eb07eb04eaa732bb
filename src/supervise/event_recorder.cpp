#include "pgeist/supervise/event_recorder.hpp"

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/outcome_text.hpp"

namespace pgeist::supervise {

namespace {

constexpr std::size_t most_events = 100;  // waiting to be stored

}  // namespace

void event_recorder::note(std::string event, std::string detail) {
    if (events_.size() >= most_events) {
        events_.pop_front();
    }
    events_.emplace_back(std::move(event), std::move(detail));
}

void event_recorder::give_back(std::deque<std::pair<std::string, std::string>> events) {
    events_.insert(events_.begin(), std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
    while (events_.size() > most_events) {
        events_.pop_front();
    }
}

void event_recorder::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    to_->job_started(job, table, strategy);
}

void event_recorder::phase_started(const report::phase& now) {
    progress_->blocked_by.clear();
    progress_->chunk_rows = 0;
    phase_ = now;
    note("phase", now.name);
    to_->phase_started(now);
}

void event_recorder::progressed(const report::progress& now) { to_->progressed(now); }

void event_recorder::lock_waited(int attempt, report::milliseconds waited,
                                 const std::vector<report::blocker>& blockers) {
    progress_->blocked_by = report::describe(blockers, false);
    if (filter_.worth_a_line(blockers, std::chrono::steady_clock::now())) {
        note("lock_wait",
             fmt::format("attempt {}, {}: {}", attempt, format_duration(waited), report::describe(blockers, true)));
    }
    to_->lock_waited(attempt, waited, blockers);
}

void event_recorder::verified(const report::verification& found) {
    note("verified", report::describe(found));
    to_->verified(found);
}

void event_recorder::step_changed(const report::step_event& now) {
    note("step", report::describe(now));
    to_->step_changed(now);
}

void event_recorder::swapped(const report::swap_outcome& done) {
    progress_->blocked_by.clear();
    note(done.back ? "reverted" : "swapped", report::describe(done));
    to_->swapped(done);
}

void event_recorder::not_revertible(const std::string& why) {
    note("not_revertible", why);
    to_->not_revertible(why);
}

void event_recorder::message(report::level severity, const std::string& text) {
    if (severity != report::level::info) {
        note(severity == report::level::warning ? "warning" : "error", text);
    }
    to_->message(severity, text);
}

void event_recorder::described(const report::description& what) { to_->described(what); }

void event_recorder::finished(const report::outcome& result) { to_->finished(result); }

}  // namespace pgeist::supervise
