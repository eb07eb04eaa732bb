#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/exit_code.hpp"
#include "pgeist/report/phase.hpp"

namespace pgeist::report {

using milliseconds = std::chrono::milliseconds;

/// A session that stands between pgeist and a lock, or holds an old snapshot.
struct blocker {
    int pid = 0;  ///< 0: no session of this server
    /// What it is then: `prepared transaction 'transfer_1'`.
    std::string other;
    std::string user;
    std::string application;
    std::string state;
    milliseconds age{0};  ///< of its transaction
    std::string query;
};

/// What somebody outside says to a swap that is about to begin.
enum class permission { granted, not_yet, refused };

enum class level { info, warning, error };

/// What the server says of a statement of its own that is at work for long, such as an index build: chunks and rows say
/// nothing of those.
struct server_figures {
    std::string phase;                  ///< in the server's words: `building index: scanning table`
    double percent = 0;                 ///< 0 … 100, of all that the phase of the job has to build
    std::optional<double> eta_seconds;  ///< by the pace until now; unset: too early to tell
};

/// How far the current phase is. Rates and ETA are the observer's business: it sees the clock.
struct progress {
    std::int64_t rows_done = 0;
    std::int64_t rows_total = 0;              ///< 0: unknown
    std::int64_t log_pending = 0;             ///< rows of the change log not yet replayed (estimate); -1: unknown
    std::optional<std::string> throttled;     ///< why the run waits
    std::optional<std::int64_t> unfit;        ///< rows that do not fit the table that is kept in step; unset: none is
    std::optional<milliseconds> window_left;  ///< how long it will be; unset: as long as is wanted
    std::string detail;                       ///< e.g. "building orders_pkey", "chunk of 12,000 rows in 480ms"
    std::string blocked_by;                   ///< who stands between the run and a lock, for people; empty: nobody

    std::int64_t chunk_rows = 0;            ///< of the last chunk; 0: none yet
    milliseconds chunk_time{0};             ///< what it took
    int workers = 0;                        ///< at work on chunks; 0: the phase has none
    std::optional<std::int64_t> lag_bytes;  ///< of the furthest replica, as far as it is measured
    std::optional<milliseconds> lag_time;   ///< the same in time
    std::optional<server_figures> server;   ///< unset: the server is at work on nothing that it tells of
    std::optional<double> run_eta_seconds;  ///< until the whole job is done; unset: unknown
};

/// In which order the rows of a table were put.
struct row_order {
    std::string by;                ///< for people
    std::optional<double> before;  ///< correlation of the rows' places with it, -1 … 1; unset: not known
    std::optional<double> after;
};

struct swap_outcome {
    bool back = false;         ///< the old table is in use again
    int attempts = 0;          ///< 0: made earlier, or nobody was told; neither the time is known
    bool told_before = false;  ///< an earlier run of the job has told of it
    milliseconds lock_held{0};
    double lock_held_ms = 0;               ///< the same, with fractions
    std::optional<std::string> old_table;  ///< where the old table is kept; empty text: it is dropped; unset: not told
    std::optional<row_order> order;        ///< that was asked for
};

struct verification {
    std::int64_t chunks = 0;
    std::int64_t rows = 0;
    std::int64_t differences = 0;  ///< found and not explained by the log
    std::int64_t repaired = 0;
    /// Of a backfill: rows that others have written since, and that have another value.
    std::optional<std::int64_t> rows_after;
};

/// A step of a job that is done step by step, as its state changes.
struct step_event {
    int number = 0;
    int of = 0;  ///< how many there are
    std::string statement;
    std::string method;  ///< native, validate, …
    std::string state;   ///< started, done, skipped
    /// Of an index that is rebuilt: what its file took before, and takes now. Unset: the step is no such thing.
    std::optional<std::int64_t> bytes_before;
    std::optional<std::int64_t> bytes_after;
};

/// What is changed, and where.
struct description {
    std::string server;  ///< user, host, port and database; never a password
    std::string change;
    /// The table's definition, one line a property, as it is and as it will be; both empty once that has happened.
    std::vector<std::string> before;
    std::vector<std::string> after;
};

struct outcome {
    exit_code code = exit_code::done;
    std::string message;
    std::string hint;
};

struct rehearsal;

/// What a run tells while it works. Implementations write to a terminal, a pipe, JSON lines; none may throw or block
/// for long.
class observer {
public:
    virtual ~observer() = default;

    virtual void job_started(std::int64_t job, const std::string& table, const std::string& strategy) = 0;
    /// What follows, until the next of these, is told of this job, whose job_started() has come: several are at work
    /// side by side.
    virtual void concerns(std::int64_t job);
    /// What that job does is, until steps_in(0), what the one that was started does: it is a step of it.
    virtual void steps_in(std::int64_t job);
    /// Whether it obeys concerns().
    [[nodiscard]] virtual bool tells_jobs_apart() const { return false; }
    /// Ends the phase before.
    virtual void phase_started(const phase& now) = 0;
    virtual void progressed(const progress& now) = 0;
    virtual void lock_waited(int attempt, milliseconds waited, const std::vector<blocker>& blockers) = 0;
    virtual void verified(const verification& found) = 0;
    /// An earlier run of the job has compared the rows, and found `what`, for people.
    virtual void verified_before(const std::string& what);
    virtual void swapped(const swap_outcome& done) = 0;
    virtual void step_changed(const step_event& now);
    /// A rehearsal has come to its end, and is taken back.
    virtual void rehearsed(const rehearsal& found);
    /// The swap cannot be taken back any more.
    virtual void not_revertible(const std::string& why);
    virtual void message(level severity, const std::string& text) = 0;
    /// Whether described() is of use: it costs a look at the catalogs.
    [[nodiscard]] virtual bool wants_description() const { return false; }
    /// Comes once, before the first phase.
    virtual void described(const description& what);
    /// Asked again and again before the swap until it says yes or no; `why` tells who refused. Must not block.
    [[nodiscard]] virtual permission may_swap(std::string& why);
    /// Called exactly once, last.
    virtual void finished(const outcome& result) = 0;
};

}  // namespace pgeist::report
