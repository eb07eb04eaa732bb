#pragma once

#include <string>
#include <vector>

#include "pgeist/report/observer.hpp"
#include "pgeist/throttle/limiter.hpp"

namespace pgeist::test {

/// Keeps what a run tells, for tests to look at.
class recording_observer : public report::observer {
public:
    void job_started(std::int64_t, const std::string&, const std::string&) override {}
    void phase_started(const report::phase& now) override { phases.push_back(now.name); }
    void progressed(const report::progress&) override {}
    void lock_waited(int, report::milliseconds, const std::vector<report::blocker>& found) override {
        blockers = found;
    }
    void verified(const report::verification& found) override { verification = found; }
    void swapped(const report::swap_outcome&) override {}
    void message(report::level, const std::string& text) override { messages.push_back(text); }
    void finished(const report::outcome&) override {}

    std::vector<std::string> phases;
    std::vector<std::string> messages;
    std::vector<report::blocker> blockers;
    report::verification verification;
};

/// Never slows anything.
class open_road : public throttle::limiter {
public:
    [[nodiscard]] awaitable<void> before_chunk(std::int64_t, std::chrono::nanoseconds) override { co_return; }
    [[nodiscard]] awaitable<void> before_batch(std::int64_t, std::chrono::nanoseconds) override { co_return; }
};

}  // namespace pgeist::test
