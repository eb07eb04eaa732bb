#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace pgeist::throttle {

using time_point = std::chrono::steady_clock::time_point;
using milliseconds = std::chrono::milliseconds;

/// The WAL that one replication slot keeps the server from removing.
struct slot {
    std::string name;
    std::int64_t bytes = 0;
};
struct slot_sample {
    time_point at;
    std::vector<slot> slots;
};
/// Why to wait, if so. A limit on what can fill the disk: unknown or old samples make the run wait.
[[nodiscard]] std::optional<std::string> judge_slots(std::optional<std::int64_t> limit,
                                                     const std::optional<slot_sample>& last, time_point now);

/// A number that the server was asked for.
struct count_sample {
    time_point at;
    int count = 0;
};
/// Sessions waiting for locks. A count that is unknown does not stop the run; the last one known holds.
[[nodiscard]] std::optional<std::string> judge_lock_waiters(std::optional<int> limit,
                                                            const std::optional<count_sample>& last, time_point now);

/// What a small commit took.
struct commit_sample {
    time_point at;
    milliseconds took{0};
    std::string failure;  ///< why it could not be made in time; empty: it could
};
/// Why to wait, if so. A commit that does not come back is the slowest of all; not knowing yet stops nobody.
[[nodiscard]] std::optional<std::string> judge_commit(std::optional<milliseconds> limit,
                                                      const std::optional<commit_sample>& last, time_point now);

/// How fast the server writes WAL, and how closely its checkpoints follow one another. Averages over some seconds, so
/// that a run whose own writing is the load is slowed and does not jump.
class wal_pressure {
public:
    /// @param position the server's WAL position in bytes
    /// @param requested checkpoints so far that came because of WAL and not because of time
    /// @param checkpoint_warning the server's own measure of "too frequently"; 0: it has none
    void add(time_point at, std::int64_t position, std::int64_t requested, milliseconds checkpoint_warning);
    void forget();
    /// Why to wait, if so. A rate that is unknown does not stop the run; the last one known holds.
    [[nodiscard]] std::optional<std::string> judge(std::optional<std::int64_t> limit, time_point now) const;
    /// Bytes per second; nothing before the second sample.
    [[nodiscard]] std::optional<double> rate() const;

private:
    struct mark {
        time_point at;
        std::int64_t position;
    };
    std::deque<mark> marks_;
    std::optional<std::int64_t> requested_;
    std::optional<time_point> last_checkpoint_;
    std::optional<time_point> crowded_until_;
};

/// `--critical-load`: tells that a run must give up when the load was above the limit in every sample for as long as
/// the grace says: one spike does not end a run of hours.
class critical_watch {
public:
    /// Takes a sample. @returns why to give up, if so
    [[nodiscard]] std::optional<std::string> seen(std::optional<int> limit, milliseconds grace, int active,
                                                  time_point at);

private:
    std::optional<time_point> since_;
};

}  // namespace pgeist::throttle
