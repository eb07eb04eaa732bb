#include "pgeist/report/terminal/plain_observer.hpp"

#include <utility>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/terminal/live_line.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

constexpr auto progress_interval = std::chrono::seconds(5);

}  // namespace

plain_observer::plain_observer(sink& out, sink& err, terminal screen, verbosity how_much, time_source time,
                               bool with_progress)
    : human_observer(out, err, std::move(screen), how_much, std::move(time)), with_progress_(with_progress) {}

void plain_observer::line(const std::string& text) {
    human_observer::line(fmt::format("{}  {}", time_of_day(time().today()), text));
}

void plain_observer::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    human_observer::job_started(job, table, strategy);
    line(shown(fmt::format("job {}: {}{}{}", job, table, strategy.empty() ? "" : ", ", strategy)));
}

void plain_observer::phase_started(const phase& now) {
    human_observer::phase_started(now);
    written_ = time().now();
    throttled_.reset();
    const bool with_lock = how_much().verbose && !now.lock.empty();
    line(shown(now.name + (with_lock ? ": begins (lock: " + now.lock + ")" : ": begins")));
}

void plain_observer::phase_ended(const phase& ended, milliseconds time, const progress& last) {
    const std::string count = counts(ended, last, time);
    line(shown(fmt::format("{}: done in {}{}{}", ended.name, format_duration(time), count.empty() ? "" : ", ", count)));
}

void plain_observer::progressed(const progress& now) {
    human_observer::progressed(now);
    const auto at = time().now();
    // A run that begins to wait, or goes on, says so at once.
    const bool changed = now.throttled.has_value() != throttled_.has_value();
    if (!with_progress_ || !facts().phases.running() || (at - written_ < progress_interval && !changed)) {
        return;
    }
    written_ = at;
    throttled_ = now.throttled;
    live_view told = view();
    if (!how_much().verbose && now.rows_total > 0) {
        told.now.detail.clear();
    }
    const std::string text = fmt::format("{}  {}\n", time_of_day(time().today()), shown(plain_line(told)));
    out().write(text, importance::droppable);
}

void plain_observer::lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) {
    if (lock_waits_.worth_a_line(blockers, time().now())) {
        line(shown(fmt::format("{}: waited {} for {}: {}", facts().phases.current(), format_duration(waited),
                               waited_for(attempt), describe(blockers, how_much().verbose))));
    }
}

}  // namespace pgeist::report
