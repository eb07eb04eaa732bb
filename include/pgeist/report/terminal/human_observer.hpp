#pragma once

#include "pgeist/report/observer.hpp"
#include "pgeist/report/rate_meter.hpp"
#include "pgeist/report/sink.hpp"
#include "pgeist/report/terminal/live_line.hpp"
#include "pgeist/report/terminal/summary.hpp"
#include "pgeist/report/terminal/terminal.hpp"
#include "pgeist/report/time_source.hpp"

namespace pgeist::report {

/// How much to tell people.
struct verbosity {
    bool quiet = false;    ///< warnings, errors and nothing else
    bool verbose = false;  ///< locks of the phases, details, whole queries of blockers
};

/// What all outputs for people share: it gathers the facts, writes warnings and errors to `err`, the summary to `out`.
/// By itself it is the quiet output; the others add what happens meanwhile.
class human_observer : public observer {
public:
    /// The sinks must outlive the observer.
    human_observer(sink& out, sink& err, terminal screen, verbosity how_much, time_source time);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void verified(const verification& found) override;
    void verified_before(const std::string& what) override;
    void swapped(const swap_outcome& done) override;
    void rehearsed(const rehearsal& found) override;
    void step_changed(const step_event& now) override;
    void message(level severity, const std::string& text) override;
    void finished(const outcome& result) override;

protected:
    /// Writes a line that stays.
    virtual void line(const std::string& text);
    /// Writes a line to the error output.
    virtual void error_line(const std::string& text);
    /// A phase has ended; `last` are its last figures.
    virtual void phase_ended(const phase& ended, milliseconds time, const progress& last);

    [[nodiscard]] const verbosity& how_much() const noexcept { return how_much_; }
    [[nodiscard]] const terminal& screen() const noexcept { return screen_; }
    [[nodiscard]] const time_source& time() const noexcept { return time_; }
    [[nodiscard]] const run_facts& facts() const noexcept { return facts_; }
    [[nodiscard]] const rate_meter& rate() const noexcept { return rate_; }
    [[nodiscard]] const progress& last() const noexcept { return last_; }
    [[nodiscard]] sink& out() const noexcept { return *out_; }
    /// As the terminal can show it: sanitised, and in ASCII where there is no UTF-8.
    [[nodiscard]] std::string shown(std::string_view text) const;
    /// `12,345 rows, 3,000 rows/s` of a phase that has ended; empty when it counted nothing.
    [[nodiscard]] static std::string counts(const phase& ended, const progress& last, milliseconds time);
    /// Everything a line about the current phase can tell.
    [[nodiscard]] live_view view() const;

private:
    void end_phase();

    sink* out_;
    sink* err_;
    terminal screen_;
    verbosity how_much_;
    time_source time_;
    steady::time_point begun_;
    run_facts facts_;
    phase phase_;
    rate_meter rate_;
    progress last_;
};

}  // namespace pgeist::report
