#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/throttle/limiter.hpp"

namespace pgeist::task {

/// Whether the step that cannot be taken back has put the change into effect.
enum class effect { to_come, under_way, done };

/// What others ask of a job at work, as its task sees it.
class controls : public throttle::limiter {
public:
    /// Why the step that cannot be taken back has to wait for the user's will, if it has: a pause, an option, a file,
    /// the time of day.
    [[nodiscard]] virtual std::optional<std::string> postponed() const = 0;
    /// All is done but that step, which the user postpones.
    virtual void waits_for_permission(bool waiting) = 0;
    /// What the task itself has found that it must wait for; shown as what throttles it. Nothing: it goes on.
    virtual void waits_for(std::optional<std::string> what) = 0;
    /// While it is under way nothing that is asked for is acknowledged, since it may come too late.
    virtual void effect_is(effect state) = 0;
    [[nodiscard]] virtual effect effect_state() const = 0;
    /// Whether `pgeist verify` asked for a comparison that has not begun.
    [[nodiscard]] virtual bool comparison_asked() const = 0;
    /// The number of that request, if there is one: it is taken for begun.
    [[nodiscard]] virtual std::optional<std::int64_t> take_comparison() = 0;
    /// Whether a command that wants the job for itself asks the process to leave it: `pgeist revert`, `cleanup`.
    [[nodiscard]] virtual bool asked_to_leave() const { return false; }
};

}  // namespace pgeist::task
