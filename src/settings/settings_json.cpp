#include <fmt/format.h>

#include "pgeist/core/described_json.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/settings/settings.hpp"

namespace pgeist::run {

BOOST_DESCRIBE_ENUM(verify_mode, full, sample, off)
BOOST_DESCRIBE_ENUM(on_blocked, wait, cancel, terminate)
BOOST_DESCRIBE_ENUM(method_choice, automatic, native, copy, server)
BOOST_DESCRIBE_ENUM(rehearsed_locks, none, sample, take)
BOOST_DESCRIBE_STRUCT(settings, (),
                      (method, max_block, workers, workers_auto, workers_chosen, chunk_time, chunk_rows, index_jobs,
                       index_jobs_chosen, maintenance_work_mem, max_lag_bytes, max_lag_time, lag_replicas, max_slot_lag,
                       max_load, max_lock_waiters, max_commit_latency, max_wal_rate, critical_load, critical_grace,
                       window, max_rate, throttle_query, pause_file, max_dead_rows, nice, verify, verify_sample_percent,
                       lock_timeout, swap_attempts, swap_max_wait, blocked, postpone_swap, postpone_file, swap_window,
                       ignore_old_snapshots, drop_old, revertible, revert_window, back_sets, statement_timeout,
                       max_log_size, reconnect_max, locks, scale_rows, scale_table_bytes, scale_index_bytes))

std::string word_of(rehearsed_locks how) { return boost::describe::enum_to_string(how, ""); }

std::optional<rehearsed_locks> rehearsed_locks_of(const std::string& word) {
    rehearsed_locks how{};
    return boost::describe::enum_from_string(word.c_str(), how) ? std::optional(how) : std::nullopt;
}

namespace {

/// Times bear their unit in their names, which SQL reads too.
constexpr std::pair<std::string_view, std::string_view> stored_names[] = {
    {"max_block", "max_block_ms"},           {"chunk_time", "chunk_time_ms"},
    {"max_lag_time", "max_lag_time_ms"},     {"max_commit_latency", "max_commit_latency_ms"},
    {"critical_grace", "critical_grace_ms"}, {"lock_timeout", "lock_timeout_ms"},
    {"swap_max_wait", "swap_max_wait_ms"},   {"statement_timeout", "statement_timeout_ms"},
    {"reconnect_max", "reconnect_max_ms"},   {"blocked", "on_blocked"},
    {"revert_window", "revert_window_ms"},
};

}  // namespace

std::string_view json_name(const settings&, std::string_view member) {
    for (const auto& [name, stored] : stored_names) {
        if (name == member) {
            return stored;
        }
    }
    return member;
}

/// A member that is not there was not yet known to the version that stored the job.
bool json_may_lack(const settings&, std::string_view) { return true; }

std::string to_json(const settings& value) { return described_json::to_text(value); }

settings settings_from_json(const std::string& text) {
    try {
        return described_json::from_text<settings>(text);
    } catch (const std::exception& problem) {
        throw error(exit_code::failed, fmt::format("the stored settings of the job cannot be read: {}", problem.what()),
                    "use the version of pgeist that started the job, or remove the job with `pgeist cleanup JOB`");
    }
}

}  // namespace pgeist::run
