#pragma once

#include <chrono>
#include <deque>

#include "pgeist/pg/connection.hpp"

namespace pgeist::throttle {

/// Whether the application is at work on the server while the run is: then whatever the user has not chosen takes one
/// of the server's processors and not all. Fed with samples.
class other_sessions {
public:
    using time_point = std::chrono::steady_clock::time_point;

    /// @param sessions what `sessions_at_work` has counted
    void seen(time_point at, int sessions);
    /// More than half a session on the average of the last samples; one that comes by once a second is none.
    [[nodiscard]] bool present() const;
    /// What was seen says nothing about now.
    void forget() { samples_.clear(); }

private:
    struct sample {
        time_point at;
        int sessions;
    };
    std::deque<sample> samples_;
};

/// Sessions of others that work, or did within the last tenth of a second: most statements are over before anyone can
/// see them. Who waits for a lock does not work. Sessions of roles that pgeist's may not look at count as idle.
/// @throws sql_error
[[nodiscard]] awaitable<int> sessions_at_work(pg::connection& session);

}  // namespace pgeist::throttle
