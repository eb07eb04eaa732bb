#include "pgeist/report/event_recorder.hpp"

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/outcome_text.hpp"

namespace pgeist::report {

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

void event_recorder::progressed(const progress& now) { to_->progressed(now); }

void event_recorder::lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) {
    progress_->blocked_by = describe(blockers, false);
    if (filter_.worth_a_line(blockers, std::chrono::steady_clock::now())) {
        note("lock_wait",
             fmt::format("attempt {}, {}: {}", attempt, format_duration(waited), describe(blockers, true)));
    }
    to_->lock_waited(attempt, waited, blockers);
}

void event_recorder::verified(const verification& found) {
    note("verified", describe(found));
    to_->verified(found);
}

void event_recorder::step_changed(const step_event& now) {
    note("step", describe(now));
    to_->step_changed(now);
}

void event_recorder::swapped(const swap_outcome& done) {
    progress_->blocked_by.clear();
    note(done.back ? "reverted" : "swapped", describe(done));
    to_->swapped(done);
}

void event_recorder::not_revertible(const std::string& why) {
    note("not_revertible", why);
    to_->not_revertible(why);
}

void event_recorder::message(level severity, const std::string& text) {
    if (severity != level::info) {
        note(severity == level::warning ? "warning" : "error", text);
    }
    to_->message(severity, text);
}

void event_recorder::described(const description& what) { to_->described(what); }

void event_recorder::finished(const outcome& result) { to_->finished(result); }

}  // namespace pgeist::report
