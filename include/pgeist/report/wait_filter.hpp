#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace pgeist::report {

/// Tells when a run has begun to wait and when it goes on, but not each short rest of a run that is only slowed: a
/// change counts when it has lasted a while.
class wait_filter {
public:
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr std::chrono::milliseconds lasting{1000};

    struct change {
        bool waits = false;
        std::string why;  ///< the reason for the wait that begins; empty when it ends
    };
    /// To be told at every report of progress. @returns the change, once, when there is one
    [[nodiscard]] std::optional<change> seen(time_point now, const std::optional<std::string>& throttled) {
        const bool waits = throttled.has_value();
        if (waits == told_) {
            since_.reset();
            return std::nullopt;
        }
        if (!since_) {
            since_ = now;
        }
        if (now - *since_ < lasting) {
            return std::nullopt;
        }
        told_ = waits;
        return change{waits, throttled.value_or("")};
    }
    /// When the state that was told last began.
    [[nodiscard]] std::optional<time_point> since() const noexcept { return since_; }
    [[nodiscard]] bool waits() const noexcept { return told_; }

private:
    bool told_ = false;
    std::optional<time_point> since_;
};

}  // namespace pgeist::report
