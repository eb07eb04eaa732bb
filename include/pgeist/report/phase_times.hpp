#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace pgeist::report {

/// How long each phase took.
class phase_times {
public:
    using time_point = std::chrono::steady_clock::time_point;
    using milliseconds = std::chrono::milliseconds;

    struct entry {
        std::string name;
        milliseconds time;
    };

    /// Ends the current phase, if any, and begins `name`.
    void start(std::string name, time_point now);
    /// Ends the current phase, if any.
    void stop(time_point now);

    [[nodiscard]] bool running() const noexcept { return running_; }
    /// Name of the current phase, or of the last one; empty before the first.
    [[nodiscard]] const std::string& current() const noexcept { return current_; }
    /// How long the current phase has lasted.
    [[nodiscard]] milliseconds current_time(time_point now) const;
    /// Ended phases in the order of their first start; the times of a phase that came more than once are added up.
    [[nodiscard]] const std::vector<entry>& entries() const noexcept { return entries_; }

private:
    std::string current_;
    bool running_ = false;
    time_point started_{};
    std::vector<entry> entries_;
};

}  // namespace pgeist::report
