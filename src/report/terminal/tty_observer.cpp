#include "pgeist/report/terminal/tty_observer.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

// Fast enough to look alive, slow enough to read.
constexpr auto redraw_interval = std::chrono::milliseconds(100);
constexpr const char* erase_line = "\r\x1b[K";
constexpr std::size_t phase_columns = 8;
constexpr std::size_t time_columns = 8;

}  // namespace

tty_observer::tty_observer(sink& out, sink& err, terminal screen, verbosity how_much, time_source time)
    : human_observer(out, err, std::move(screen), how_much, std::move(time)) {}

void tty_observer::clear() {
    if (!drawn_.empty()) {
        out().write(erase_line);
        drawn_.clear();
    }
}

void tty_observer::line(const std::string& text) {
    clear();
    human_observer::line(text);
}

void tty_observer::error_line(const std::string& text) {
    clear();
    human_observer::error_line(text);
    draw(true);
}

void tty_observer::draw(bool at_once) {
    const auto at = time().now();
    const bool too_soon = drawn_at_ && at - *drawn_at_ < redraw_interval;
    if (ended_ || !facts().phases.running() || (too_soon && !at_once)) {
        return;
    }
    live_view now = view();
    if (!now.waits_for) {
        now.waits_for = lock_wait_;
    }
    // The last column stays free: a terminal that wraps there would leave lines behind.
    const std::string text = live_line(now, std::max(1, screen().width() - 1), screen().utf8);
    drawn_at_ = at;
    if (text != drawn_) {
        drawn_ = text;
        const paint how = now.waits_for ? paint::yellow : paint::plain;
        out().write(erase_line + painted(screen(), how, text), importance::droppable);
    }
}

void tty_observer::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    human_observer::job_started(job, table, strategy);
    const std::string name = shown(one_line(table));
    line(fmt::format("Job {}: {}{}{}", job, painted(screen(), paint::bold, name), strategy.empty() ? "" : ", ",
                     shown(one_line(strategy))));
}

void tty_observer::phase_started(const phase& now) {
    human_observer::phase_started(now);
    lock_wait_.reset();
    if (how_much().verbose && !now.lock.empty()) {
        line(painted(screen(), paint::dim, shown(fmt::format("  {}: lock on the table: {}", now.name, now.lock))));
    }
    draw(true);
}

void tty_observer::phase_ended(const phase& ended, milliseconds time, const progress& last) {
    const std::string mark = painted(screen(), paint::green, screen().utf8 ? "✓" : "+");
    const std::string count = counts(ended, last, time);
    line(fmt::format("{} {}{}{}{}", mark, padded(shown(ended.name), phase_columns),
                     padded_left(format_duration(time), time_columns), count.empty() ? "" : "  ", count));
}

void tty_observer::progressed(const progress& now) {
    human_observer::progressed(now);
    draw(false);
}

void tty_observer::lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) {
    const std::string what = attempt > 0 ? fmt::format("lock, attempt {}", attempt) : "old snapshot";
    lock_wait_ = fmt::format("{}, {}", what, describe(blockers, false));
    if (lock_waits_.worth_a_line(blockers, time().now()) && how_much().verbose) {
        line(shown(fmt::format("  waited {} for {}: {}", format_duration(waited), waited_for(attempt),
                               describe(blockers, true))));
    }
    draw(true);
}

void tty_observer::finished(const outcome& result) {
    ended_ = true;
    if (result.code != exit_code::done && !drawn_.empty()) {
        // The last figures stay to be seen above the message.
        out().write("\n");
        drawn_.clear();
    }
    human_observer::finished(result);
}

}  // namespace pgeist::report
