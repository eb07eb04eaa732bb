#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace pgeist::replay {

/// Whether replay keeps up with the writers, from one look at the backlog to the next: how many sessions it should
/// have, and when to say that it does not converge. Pure; the clock is the caller's.
///
/// "Keeps up" means that the backlog is small, or was a tenth smaller than ever since it was small last. A backlog that
/// goes up and down keeps up no better than one that stands still.
class backlog_watch {
public:
    using clock = std::chrono::steady_clock;

    /// Begins with so many sessions.
    explicit backlog_watch(int workers = 1) : workers_(workers) {}

    /// One look.
    struct look {
        std::int64_t left = 0;   ///< changes that wait now
        std::int64_t taken = 0;  ///< changes replayed since the look before
        std::int64_t small = 0;  ///< so many are nothing to worry about
        int most = 1;            ///< sessions that replay may have
        clock::time_point at;
    };

    /// @returns whether it is time to warn: all sessions are at work, and for a while the backlog has not shrunk.
    /// Repeats itself every few minutes at most.
    [[nodiscard]] bool add(const look& now);

    /// Forgets for how long the backlog has been stuck, as when replay was held back until now; not the sessions.
    void begin_anew() noexcept;

    /// How many sessions should replay now, from 1 to look::most.
    [[nodiscard]] int workers() const noexcept { return workers_; }
    /// For how long the backlog has been neither small nor smaller than ever.
    [[nodiscard]] clock::duration stuck_for(clock::time_point now) const noexcept;
    /// Whether all sessions have been tried while it was stuck: nothing is left to do but to wait or to give up.
    [[nodiscard]] bool all_tried() const noexcept { return stuck_ && all_tried_; }

    /// Changes per second since the backlog has been stuck.
    [[nodiscard]] double written_per_second() const noexcept;
    [[nodiscard]] double replayed_per_second() const noexcept;

private:
    void begin_again(const look& now);
    [[nodiscard]] double seconds() const noexcept;

    int workers_;
    int looks_stuck_ = 0;  ///< since the number of sessions was changed
    int looks_small_ = 0;
    bool stuck_ = false;
    bool all_tried_ = false;
    std::int64_t lowest_ = 0;  ///< backlog at the beginning of being stuck
    std::int64_t left_ = 0;
    std::int64_t taken_ = 0;  ///< since then
    clock::time_point since_;
    clock::time_point last_;
    clock::time_point next_warning_;
};

/// `replay does not converge: 120,000 changes wait, …`: what is so, why, and what to do about it. `throttled`: why
/// replay itself is held back, empty when it is not; `most`: how many sessions it may have.
[[nodiscard]] std::string describe_stuck(const backlog_watch& watch, std::int64_t left, int most,
                                         const std::string& throttled, std::int64_t job);

}  // namespace pgeist::replay
