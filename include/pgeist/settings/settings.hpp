#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pgeist::run {

enum class verify_mode { full, sample, off };
enum class on_blocked { wait, cancel, terminate };
/// Whether a rehearsal locks the table.
enum class rehearsed_locks {
    none,    ///< nor asks who would be in the way
    sample,  ///< only looks, again and again, whether the lock would be free
    take     ///< locks, exchanges, rolls back
};
/// `none`, `sample`, `take`, as on the command line.
[[nodiscard]] std::string word_of(rehearsed_locks how);
[[nodiscard]] std::optional<rehearsed_locks> rehearsed_locks_of(const std::string& word);
/// Which ways of making a change may be taken.
enum class method_choice {
    automatic,  ///< the first that keeps others waiting no longer than max_block
    native,     ///< as automatic, but never a copy
    copy,       ///< always a copy
    server      ///< of a repack: the server's own, which is never chosen by itself
};

/// The options of `pgeist run` (docs/options.md), as values. Stored with the job; `resume` uses what was stored unless
/// told otherwise.
struct settings {
    // method
    method_choice method = method_choice::automatic;
    std::chrono::milliseconds max_block{500};  ///< how long a step may keep others waiting

    // copy
    int workers = 2;
    bool workers_auto = false;    ///< `workers` is where it starts; the number follows the server's head-room
    bool workers_chosen = false;  ///< by the user: otherwise one is enough while the application is at work
    std::chrono::milliseconds chunk_time{500};
    std::optional<std::int64_t> chunk_rows;  ///< fixed chunk size instead of chunk_time
    int index_jobs = 2;
    bool index_jobs_chosen = false;  ///< as workers_chosen; one is then a build without parallel workers
    std::optional<std::int64_t> maintenance_work_mem;  ///< bytes; unset: the server's own setting

    // throttle
    std::optional<std::int64_t> max_lag_bytes;
    std::optional<std::chrono::milliseconds> max_lag_time;
    std::vector<std::string> lag_replicas;     ///< application_name of the replicas that count; empty: all
    std::optional<std::int64_t> max_slot_lag;  ///< bytes of WAL that a replication slot may retain
    std::optional<int> max_load;               ///< active sessions, pgeist's own left out
    std::optional<int> max_lock_waiters;       ///< sessions waiting for a lock, pgeist's own left out
    std::optional<std::chrono::milliseconds> max_commit_latency;  ///< of a commit that pgeist makes to find out
    std::optional<std::int64_t> max_wal_rate;                     ///< bytes per second, of the whole server
    std::optional<int> critical_load;                             ///< active sessions at which the run gives up
    std::chrono::milliseconds critical_grace{5000};               ///< how long that must last
    std::optional<std::string> window;                            ///< times of day at which work is done
    std::optional<std::int64_t> max_rate;                         ///< rows per second
    std::optional<std::string> throttle_query;
    std::optional<std::string> pause_file;
    std::optional<double> max_dead_rows = 20;  ///< percent of a table's rows, of a backfill
    double nice = 0;                           ///< pause after each chunk, as a ratio of the chunk's own time

    // rehearse
    rehearsed_locks locks = rehearsed_locks::sample;
    std::int64_t scale_rows = 0;  ///< of the table that the figures are scaled to; 0: to none
    std::int64_t scale_table_bytes = 0;
    std::int64_t scale_index_bytes = 0;

    // verify
    verify_mode verify = verify_mode::full;
    double verify_sample_percent = 100;

    // swap
    std::chrono::milliseconds lock_timeout{200};
    int swap_attempts = 100;
    std::chrono::milliseconds swap_max_wait{std::chrono::minutes(30)};
    on_blocked blocked = on_blocked::wait;
    bool postpone_swap = false;
    std::optional<std::string> postpone_file;
    std::optional<std::string> swap_window;  ///< times of day at which the tables may be swapped
    bool ignore_old_snapshots = false;

    // after
    bool drop_old = false;
    bool revertible = false;  ///< the old table is kept in step, so that it can be swapped back
    std::optional<std::chrono::milliseconds> revert_window;  ///< how long the run itself does that after the swap
    std::vector<std::string> back_sets;                      ///< `OLD_COLUMN = EXPRESSION` over the new row

    // safety
    std::chrono::milliseconds statement_timeout{0};                     ///< of a chunk or batch; 0: none
    std::optional<std::int64_t> max_log_size;                           ///< bytes of the change log
    std::chrono::milliseconds reconnect_max{std::chrono::minutes(10)};  ///< how long an outage is ridden out
};

[[nodiscard]] std::string to_json(const settings& value);
[[nodiscard]] settings settings_from_json(const std::string& text);

}  // namespace pgeist::run
