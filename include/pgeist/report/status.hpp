#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgeist::report {

/// One job as `pgeist status` shows it: a pure copy of what the target database says at one moment.
struct job_status {
    std::int64_t job = 0;
    std::optional<std::int64_t> parent;  ///< the job of which it is a step
    std::optional<std::int64_t> group;   ///< the job that leads those whose tables are exchanged with this one's
    std::string
        table;  ///< for display: schema-qualified, quoted only where needed; empty: it is about none, or several
    std::string change;    ///< what was asked for, one line; may be empty
    std::string strategy;  ///< may be empty
    std::string phase;     ///< as observer::phase_started names it; empty before the first
    /// running, paused, throttled, waiting_for_swap, interrupted, failed, cancelled, done, reverted
    std::string state;

    std::int64_t rows_done = 0;
    std::int64_t rows_total = 0;            ///< 0: unknown
    std::optional<double> percent;          ///< 0 … 100; unset: unknown
    std::optional<double> rows_per_second;  ///< recent; unset: unknown or not at work
    std::optional<double> eta_seconds;      ///< of the phase; unset: unknown
    std::optional<double> run_eta_seconds;  ///< of the whole job; unset: unknown
    std::string server_phase;               ///< what the server says of a build that it is at; empty: nothing
    std::int64_t log_pending = 0;           ///< changes not yet replayed (estimate); -1: unknown
    std::optional<std::string> throttled;   ///< why it waits

    int workers = 0;                        ///< at work on chunks; 0: none, or unknown
    std::int64_t chunk_rows = 0;            ///< of the last chunk; 0: unknown
    std::int64_t chunk_ms = 0;              ///< what it took
    std::optional<std::int64_t> lag_bytes;  ///< of the furthest replica; unset: not measured
    std::optional<std::int64_t> lag_ms;     ///< the same in time
    std::string doing;                      ///< what the phase is at, for people; may be empty
    std::string blocked_by;                 ///< who is in the way of a lock, for people; may be empty

    std::string started_at;  ///< RFC 3339
    std::string updated_at;  ///< RFC 3339, the last sign of life

    // Of a job whose swap can be taken back, or could; unset for others.
    std::optional<bool> revertible;           ///< false while a row does not fit
    std::optional<std::string> revert_until;  ///< RFC 3339; unset: as long as is wanted
    std::optional<std::int64_t> unfit;        ///< rows that do not fit, as of the last look; unset: none was made
    std::optional<std::vector<std::string>> unfit_keys;  ///< some of them, at most ten
    std::optional<std::string> unfit_at;                 ///< RFC 3339, of that look
    std::optional<std::string> why_not_revertible;
    std::string way;  ///< which log grows: `back`, `again`

    std::optional<bool> expanded;           ///< old and new columns are kept in step; unset: no such job
    std::optional<bool> trial;              ///< and the old ones are out of sight
    std::optional<std::int64_t> conflicts;  ///< statements that changed both, and did not agree

    bool pid_alive = false;       ///< a pgeist process holds this job
    bool resumable = false;       ///< `pgeist resume` would take it on
    std::int64_t size_bytes = 0;  ///< what the job occupies: shadow, log, kept old table
    std::int64_t log_bytes = 0;   ///< of the change log
    /// By how much the log of a job that nobody works on grows; unset: somebody does, or it has none.
    std::optional<double> log_bytes_per_hour;
    std::string old_table;  ///< where the old table is kept; empty: not swapped, or dropped
    std::string message;    ///< the last message, or why it stopped; may be empty

    /// Of a job that is done step by step.
    struct step {
        int number = 0;
        std::string statement;
        std::string method;
        std::string state;
        std::string message;  ///< why it failed or was skipped; may be empty
        std::string json;     ///< all that is known of it, as one JSON object
    };
    std::vector<step> steps;  ///< in order; only where one job was asked for
};

/// What is to be done about a job that nobody works on, while the application's writes go on being logged; empty when
/// there is none.
[[nodiscard]] std::string log_warning(const job_status& job);

}  // namespace pgeist::report
