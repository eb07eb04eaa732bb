#include "pgeist/report/terminal/log_observer.hpp"

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/rehearsal.hpp"
#include "pgeist/report/terminal/live_line.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

constexpr auto log_interval = std::chrono::seconds(30);

std::string_view name_of(level severity) {
    switch (severity) {
        case level::info:
            return "INFO";
        case level::warning:
            return "WARNING";
        case level::error:
            break;
    }
    return "ERROR";
}

}  // namespace

log_observer::log_observer(sink& out, time_source time) : out_(&out), time_(std::move(time)), begun_(time_.now()) {}

void log_observer::write(level severity, const std::string& words) {
    std::string line = fmt::format("{} {}", timestamp(time_.today()), name_of(severity));
    line += job_ ? fmt::format(" job={}", *job_) : "";
    line += phase_.name.empty() ? "" : " phase=" + phase_.name;
    out_->write(line + " " + one_line(words) + "\n");
}

void log_observer::job_started(std::int64_t job, const std::string& table, const std::string& strategy) {
    job_ = job;
    write(level::info, fmt::format("started: {}, {}", table, strategy));
}

void log_observer::phase_started(const phase& now) {
    phase_ = now;
    rate_.reset();
    written_ = phase_begun_ = time_.now();
    write(level::info, fmt::format("phase begins, lock: {}", now.lock));
}

void log_observer::progressed(const progress& now) {
    const auto at = time_.now();
    rate_.add(at, now.rows_done);
    const bool changed = waits_.seen(at, now.throttled).has_value();
    if (phase_.name.empty() || (!changed && written_ && at - *written_ < log_interval)) {
        return;
    }
    written_ = at;
    live_view view;
    view.at = phase_;
    view.now = now;
    view.waits_for = now.throttled;
    if (phase_.counts_rows()) {
        view.rows_per_second = rate_.rows_per_second();
        view.eta_seconds = rate_.eta_seconds(now.rows_total);
    }
    if (now.server) {
        view.eta_seconds = now.server->eta_seconds;
    }
    view.elapsed = std::chrono::duration_cast<milliseconds>(at - phase_begun_);
    write(level::info, plain_line(view));
}

void log_observer::lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) {
    if (lock_waits_.worth_a_line(blockers, time_.now())) {
        write(level::warning, fmt::format("waited {} for {}: {}", format_duration(waited), waited_for(attempt),
                                          describe(blockers, true)));
    }
}

void log_observer::verified(const verification& found) {
    write(level::info, fmt::format("verified: {} rows, {} chunks, {} differences, {} repaired", found.rows,
                                   found.chunks, found.differences, found.repaired));
}

void log_observer::swapped(const swap_outcome& done) {
    write(level::info, (done.back ? "swapped back: " : "swapped: ") + describe(done));
}

void log_observer::rehearsed(const rehearsal& found) {
    for (const auto& [name, value] : figures(found)) {
        write(level::info, fmt::format("rehearsed: {}: {}", name, value));
    }
}

void log_observer::step_changed(const step_event& now) { write(level::info, describe(now)); }

void log_observer::message(level severity, const std::string& text) { write(severity, text); }

void log_observer::finished(const outcome& result) {
    const std::string words = result.message.empty() ? message_of(result.code) : result.message;
    const std::string hint = result.hint.empty() ? next_action(result.code, job_) : result.hint;
    const auto took = std::chrono::duration_cast<milliseconds>(time_.now() - begun_);
    write(result.code == exit_code::done ? level::info : level::error,
          fmt::format("ended with exit code {} after {}: {}{}{}", static_cast<int>(result.code), format_duration(took),
                      words, hint.empty() ? "" : "; next: ", hint));
}

}  // namespace pgeist::report
