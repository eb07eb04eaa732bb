#pragma once

#include <optional>

#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/report/terminal/human_observer.hpp"

namespace pgeist::report {

/// For terminals: one line about the current phase, rewritten in place; phases that have ended stay above it.
class tty_observer : public human_observer {
public:
    tty_observer(sink& out, sink& err, terminal screen, verbosity how_much, time_source time);

    void job_started(std::int64_t job, const std::string& table, const std::string& strategy) override;
    void phase_started(const phase& now) override;
    void progressed(const progress& now) override;
    void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) override;
    void finished(const outcome& result) override;

protected:
    void line(const std::string& text) override;
    void error_line(const std::string& text) override;
    void phase_ended(const phase& ended, milliseconds time, const progress& last) override;

private:
    void draw(bool at_once);
    void clear();

    std::string drawn_;
    bool ended_ = false;
    std::optional<steady::time_point> drawn_at_;
    std::optional<std::string> lock_wait_;
    lock_wait_filter lock_waits_;
};

}  // namespace pgeist::report
