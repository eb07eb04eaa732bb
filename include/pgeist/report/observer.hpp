#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/exit_code.hpp"

namespace pgeist::report {

using milliseconds = std::chrono::milliseconds;

/// A session that stands between pgeist and a lock, or holds an old snapshot.
struct blocker {
    int pid = 0;
    std::string user;
    std::string application;
    std::string state;
    milliseconds age{0};  ///< of its transaction
    std::string query;
};

enum class level { info, warning, error };

/// How far the current phase is. Rates and ETA are the observer's business: it sees the clock.
struct progress {
    std::int64_t rows_done = 0;
    std::int64_t rows_total = 0;           ///< 0: unknown
    std::int64_t log_pending = 0;          ///< rows of the change log not yet replayed (estimate); -1: unknown
    std::optional<std::string> throttled;  ///< why the run waits
    std::string detail;                    ///< e.g. "building orders_pkey", "chunk of 12,000 rows in 480ms"
};

struct swap_outcome {
    int attempts = 0;
    milliseconds lock_held{0};
    double lock_held_ms = 0;               ///< the same, with fractions
    std::optional<std::string> old_table;  ///< where the old table is kept; empty text: it is dropped; unset: not told
};

struct verification {
    std::int64_t chunks = 0;
    std::int64_t rows = 0;
    std::int64_t differences = 0;  ///< found and not explained by the log
    std::int64_t repaired = 0;
};

struct outcome {
    exit_code code = exit_code::done;
    std::string message;
    std::string hint;
};

/// What a run tells while it works. Implementations write to a terminal, a pipe, JSON lines; none may throw or block
/// for long.
class observer {
public:
    virtual ~observer() = default;

    virtual void job_started(std::int64_t job, const std::string& table, const std::string& strategy) = 0;
    /// `name`: prepare, capture, copy, key, replay, build, verify, swap, finish. `lock`: what it locks on the source
    /// table.
    virtual void phase_started(const std::string& name, const std::string& lock) = 0;
    virtual void progressed(const progress& now) = 0;
    virtual void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) = 0;
    virtual void verified(const verification& found) = 0;
    virtual void swapped(const swap_outcome& done) = 0;
    virtual void message(level severity, const std::string& text) = 0;
    /// Called exactly once, last.
    virtual void finished(const outcome& result) = 0;
};

}  // namespace pgeist::report
