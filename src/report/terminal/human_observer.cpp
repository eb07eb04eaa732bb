#include "pgeist/report/terminal/human_observer.hpp"

#include <utility>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/rehearsal.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

human_observer::human_observer(sink& out, sink& err, terminal screen, verbosity how_much, time_source time)
    : out_(&out),
      err_(&err),
      screen_(std::move(screen)),
      how_much_(how_much),
      time_(std::move(time)),
      begun_(time_.now()) {}

void human_observer::line(const std::string& text) { out_->write(text + "\n"); }

void human_observer::error_line(const std::string& text) { err_->write(text + "\n"); }

void human_observer::phase_ended(const phase&, milliseconds, const progress&) {}

std::string human_observer::shown(std::string_view text) const {
    const std::string safe = harmless(text);
    return screen_.utf8 ? safe : to_ascii(safe);
}

std::string human_observer::counts(const phase& ended, const progress& last, milliseconds time) {
    if (last.rows_done <= 0) {
        return {};
    }
    std::string text = counted(last.rows_done, ended);
    if (time.count() > 0 && ended.counts_rows()) {
        text += fmt::format(", {} rows/s", format_count(last.rows_done * 1000 / time.count()));
    }
    return text;
}

live_view human_observer::view() const {
    live_view now;
    now.at = phase_;
    now.now = last_;
    if (phase_.counts_rows()) {
        now.rows_per_second = rate_.rows_per_second();
        now.eta_seconds = rate_.eta_seconds(last_.rows_total);
    }
    if (last_.server) {
        now.eta_seconds = last_.server->eta_seconds;
    }
    now.elapsed = facts_.phases.current_time(time_.now());
    now.waits_for = last_.throttled;
    return now;
}

void human_observer::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    facts_.job = job;
    facts_.table = table;
    facts_.strategy = strategy;
}

void human_observer::phase_started(const phase& now) {
    end_phase();
    phase_ = now;
    facts_.phases.start(now.name, time_.now());
    rate_.reset();
    last_ = progress();
}

void human_observer::end_phase() {
    if (!facts_.phases.running()) {
        return;
    }
    const auto now = time_.now();
    const milliseconds time = facts_.phases.current_time(now);
    facts_.phases.stop(now);
    if (phase_.name == "copy") {
        facts_.rows_copied = last_.rows_done;
    }
    phase_ended(phase_, time, last_);
}

void human_observer::progressed(const progress& now) {
    last_ = now;
    rate_.add(time_.now(), now.rows_done);
}

void human_observer::lock_waited(int, milliseconds, const std::vector<blocker>&) {}

void human_observer::verified(const verification& found) { facts_.verified = found; }

void human_observer::verified_before(const std::string& what) { facts_.verified_before = what; }

void human_observer::swapped(const swap_outcome& done) { facts_.swapped = done; }

void human_observer::rehearsed(const rehearsal& found) {
    if (how_much_.quiet) {
        return;
    }
    line(shown("Rehearsed, and taken back: " + found.table));
    for (const auto& [name, value] : figures(found)) {
        line(shown(fmt::format("  {:<13} {}", name, one_line(value))));
    }
}

void human_observer::step_changed(const step_event& now) {
    if (!how_much_.quiet && now.state != "started") {
        line(shown(describe(now)));
    }
}

void human_observer::message(level severity, const std::string& text) {
    switch (severity) {
        case level::info:
            if (!how_much_.quiet) {
                line(shown(text));
            }
            break;
        case level::warning:
            error_line(painted(screen_, paint::yellow, "pgeist: warning: ") + shown(text));
            break;
        case level::error:
            error_line(painted(screen_, paint::red, "pgeist: error: ") + shown(text));
            break;
    }
}

void human_observer::finished(const outcome& result) {
    if (result.code == exit_code::done) {
        end_phase();
        facts_.elapsed = std::chrono::duration_cast<milliseconds>(time_.now() - begun_);
        if (!how_much_.quiet && !result.message.empty()) {
            line(shown(result.message));
        }
        if (!how_much_.quiet && facts_.swapped) {
            const std::string text = summary(facts_);
            line(shown(text.substr(0, text.size() - 1)));
        }
        return;
    }
    const std::string text = result.message.empty() ? message_of(result.code) : result.message;
    const std::string hint = result.hint.empty() ? next_action(result.code, facts_.job) : result.hint;
    error_line(painted(screen_, paint::red, "pgeist: ") + shown(text));
    if (!hint.empty()) {
        error_line("hint: " + shown(hint));
    }
}

}  // namespace pgeist::report
