#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pgeist::throttle {

/// One replica as the primary sees it.
struct replica {
    std::string name;
    std::optional<std::int64_t> bytes;              ///< not yet replayed; nothing: unknown
    std::optional<std::chrono::milliseconds> time;  ///< since what it has replayed last was written; nothing: unknown
    bool gone = false;                              ///< was connected before and is not any more
};

/// All replicas at one moment.
struct lag_sample {
    std::chrono::steady_clock::time_point at;
    std::vector<replica> replicas;
};

/// The value of `--max-lag`.
struct lag_limits {
    std::optional<std::int64_t> bytes;
    std::optional<std::chrono::milliseconds> time;
    std::vector<std::string> names;  ///< those that count; empty: all that are connected
    [[nodiscard]] bool set() const noexcept { return bytes.has_value() || time.has_value(); }
};

/// Why to wait, if so. What is unknown makes the run wait: no sample, an old one, a replica whose position cannot be
/// read, a named one that is not connected, one that has disconnected.
[[nodiscard]] std::optional<std::string> judge_lag(const lag_limits& limits, const std::optional<lag_sample>& last,
                                                   std::chrono::steady_clock::time_point now);

/// Which WAL position the primary had at which time. The server's own `replay_lag` stands still while a replica's
/// replay is paused and is null on an idle one; the history knows better.
class wal_history {
public:
    using time_point = std::chrono::steady_clock::time_point;
    /// How far behind somebody is who has replayed up to a position.
    struct delay {
        std::chrono::milliseconds time{0};
        bool exact = true;  ///< false: at least this, the position is older than the history
    };

    void add(time_point at, std::int64_t position);
    [[nodiscard]] delay behind(std::int64_t replayed, time_point now) const;

private:
    struct mark {
        time_point at;
        std::int64_t position;
    };
    std::deque<mark> marks_;
};

/// How far a replica is behind in time, from what the history and the server say of it. `reported` is the server's
/// `replay_lag`, which is the last delay that was measured: it stands while nothing is replayed, and for some seconds
/// after the replica has caught up. Nothing when neither is enough to compare with `limit`.
[[nodiscard]] std::optional<std::chrono::milliseconds> lag_time(std::int64_t bytes, wal_history::delay own,
                                                                std::optional<std::chrono::milliseconds> reported,
                                                                std::optional<std::chrono::milliseconds> limit);

/// Remembers which replicas were connected, to notice when one is lost. Names need not be unique.
class replica_roll {
public:
    /// @returns the names of those missing now, one for each replica lost
    [[nodiscard]] std::vector<std::string> missing_after(const std::vector<std::string>& connected);
    void forget() { most_.clear(); }

private:
    std::map<std::string, int> most_;
};

}  // namespace pgeist::throttle
