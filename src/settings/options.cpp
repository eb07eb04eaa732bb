#include "pgeist/settings/options.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "option_values.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/time_window.hpp"

namespace pgeist::run {

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using text = const std::string&;

constexpr std::int64_t megabyte = 1 << 20;
constexpr std::int64_t any_count = 1'000'000'000'000;
constexpr milliseconds long_time = hours(24 * 365);
// A request for a table lock makes all that come after it wait: nobody should ask for minutes of that by mistake.
constexpr milliseconds longest_lock_timeout = minutes(1);

void apply_max_lag(settings& into, text value) {
    if (is_off(value)) {
        into.max_lag_bytes.reset();
        into.max_lag_time.reset();
        into.lag_replicas.clear();
        return;
    }
    // A size and a time can both be set, one after the other; names stay until others are given.
    lag_limit limit = parse_lag_limit(value);
    if (limit.bytes) {
        into.max_lag_bytes = limit.bytes;
    }
    if (limit.time) {
        into.max_lag_time = limit.time;
    }
    if (!limit.replicas.empty()) {
        into.lag_replicas = std::move(limit.replicas);
    }
}

void apply_workers(settings& into, text value) {
    into.workers_auto = value == "auto";
    into.workers_chosen = true;
    into.workers = into.workers_auto ? settings().workers : static_cast<int>(whole_number(value, 1, 64));
}

/// A size a second: `20MB` or `20MB/s`.
std::optional<std::int64_t> optional_rate(text value) {
    if (is_off(value)) {
        return std::nullopt;
    }
    constexpr std::string_view per_second = "/s";
    return size(value.ends_with(per_second) ? value.substr(0, value.size() - per_second.size()) : value, 1);
}

std::optional<std::string> optional_window(text value) {
    if (value.empty() || is_off(value)) {
        return std::nullopt;
    }
    static_cast<void>(parse_windows(value));
    return value;
}

void apply_verify(settings& into, text value) {
    constexpr std::string_view sample = "sample:";
    into.verify_sample_percent = 100;
    if (value == "full") {
        into.verify = verify_mode::full;
    } else if (value == "off") {
        into.verify = verify_mode::off;
    } else if (value.starts_with(sample)) {
        into.verify_sample_percent = number(value.substr(sample.size()), 0.001, 100);
        into.verify = verify_mode::sample;
    } else {
        throw usage_error(fmt::format("\"{}\" is no way to verify", value), "use full, sample:PERCENT or off");
    }
}

void apply_method(settings& into, text value) {
    if (value == "auto") {
        into.method = method_choice::automatic;
    } else if (value == "native") {
        into.method = method_choice::native;
    } else if (value == "copy") {
        into.method = method_choice::copy;
    } else if (value == "server") {
        into.method = method_choice::server;
    } else {
        throw usage_error(fmt::format("\"{}\" is no method", value), "use auto, native, copy or server");
    }
}

void apply_on_blocked(settings& into, text value) {
    if (value == "wait") {
        into.blocked = on_blocked::wait;
    } else if (value == "cancel") {
        into.blocked = on_blocked::cancel;
    } else if (value == "terminate") {
        into.blocked = on_blocked::terminate;
    } else {
        throw usage_error(fmt::format("\"{}\" is not known", value), "use wait, cancel or terminate");
    }
}

/// A text that can be absent: `off` or nothing takes it away.
std::optional<std::string> optional_text(text value) {
    if (value.empty() || is_off(value)) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::int64_t> optional_number(text value, std::int64_t least, std::int64_t most) {
    if (is_off(value)) {
        return std::nullopt;
    }
    return whole_number(value, least, most);
}

std::optional<std::int64_t> optional_size(text value, std::int64_t least) {
    if (is_off(value)) {
        return std::nullopt;
    }
    return size(value, least);
}

std::optional<milliseconds> optional_time(text value) {
    if (is_off(value)) {
        return std::nullopt;
    }
    return duration(value, milliseconds(1), minutes(1));
}

std::optional<milliseconds> optional_long_time(text value) {
    if (is_off(value)) {
        return std::nullopt;
    }
    return duration(value, milliseconds(1), long_time);
}

/// `COLUMN = EXPRESSION`; what it means is told with the plan.
const std::string& checked_assignment(text value) {
    const auto equals = value.find('=');
    if (equals == std::string::npos || value.find_first_not_of(' ') == equals ||
        value.find_first_not_of(' ', equals + 1) == std::string::npos) {
        throw usage_error(fmt::format("\"{}\" sets nothing", value), "write OLD_COLUMN = EXPRESSION");
    }
    return value;
}

std::optional<int> optional_int(text value, int least, int most) {
    const auto read = optional_number(value, least, most);
    return read ? std::optional<int>(static_cast<int>(*read)) : std::nullopt;
}

constexpr steering steerable = steering::freely;
constexpr steering only_off = steering::only_off;
constexpr steering fixed = steering::never;
constexpr bool once = false;
constexpr bool repeatable = true;
using enum option_group;

// Name, value, default, help, group, steerable, repeatable, reader.
const option table[] = {
    {"method", "auto|native|copy|server", "auto",
     "how the change is made: by the first way that keeps others waiting no longer than --max-block; the same, but "
     "never "
     "by a copy; always by a copy; or, of --repack on PostgreSQL 19, by the server's own REPACK (CONCURRENTLY)",
     change, fixed, once, apply_method},
    {"max-block", "TIME", "500ms", "the longest that others may be kept waiting by one step, where a size is known",
     change, steerable, once, [](settings& s, text v) { s.max_block = duration(v, milliseconds(1), hours(1)); }},

    {"workers", "N|auto", "2",
     "copy workers, 1 to 64 (by default 1 while other sessions are at work); auto: more while that is faster and the "
     "server has room, fewer as soon as it has not",
     copy, steerable, once, apply_workers},
    {"chunk-time", "TIME", "500ms", "how long one chunk should take; its size follows the time measured", copy,
     steerable, once,
     [](settings& s, text v) {
         s.chunk_time = duration(v, milliseconds(10), hours(1));
         s.chunk_rows.reset();
     }},
    {"chunk-rows", "N", "", "a fixed chunk size instead", copy, steerable, once,
     [](settings& s, text v) { s.chunk_rows = optional_number(v, 1, 1'000'000'000); }},
    {"index-jobs", "N", "2",
     "indexes built at the same time, 1 to 64 (by default 1, without parallel workers, while other sessions are at "
     "work)",
     copy, steerable, once,
     [](settings& s, text v) {
         s.index_jobs = static_cast<int>(whole_number(v, 1, 64));
         s.index_jobs_chosen = true;
     }},
    {"maintenance-work-mem", "SIZE", "the server's", "memory of one index build (by default less where that is faster)",
     copy, steerable, once, [](settings& s, text v) { s.maintenance_work_mem = optional_size(v, megabyte); }},

    {"max-lag", "[NAMES:]LAG", "off",
     "wait while a replica is further behind: a size (64MB) or a time (10s), of any replica or of those named "
     "(r1,r2:10s, their application_name); twice for both",
     throttle, steerable, repeatable, apply_max_lag},
    {"max-slot-lag", "SIZE", "off", "wait while a replication slot keeps more WAL than this", throttle, steerable, once,
     [](settings& s, text v) { s.max_slot_lag = optional_size(v, 1); }},
    {"max-load", "N", "off", "wait while more sessions than this are active, pgeist's own left out", throttle,
     steerable, once, [](settings& s, text v) { s.max_load = optional_int(v, 0, 1'000'000); }},
    {"max-lock-waiters", "N", "off", "wait while more sessions than this wait for locks, pgeist's own left out",
     throttle, steerable, once, [](settings& s, text v) { s.max_lock_waiters = optional_int(v, 0, 1'000'000); }},
    {"max-commit-latency", "TIME", "off", "wait while a small commit of pgeist's own takes longer than this", throttle,
     steerable, once, [](settings& s, text v) { s.max_commit_latency = optional_time(v); }},
    {"max-wal-rate", "SIZE", "off",
     "wait while the server writes more WAL per second than this, or checkpoints follow one another too closely",
     throttle, steerable, once, [](settings& s, text v) { s.max_wal_rate = optional_rate(v); }},
    {"critical-load", "N", "off", "stop, resumably, when more sessions than this are active for --critical-grace",
     throttle, steerable, once, [](settings& s, text v) { s.critical_load = optional_int(v, 0, 1'000'000); }},
    {"critical-grace", "TIME", "5s", "how long a critical load must last", throttle, steerable, once,
     [](settings& s, text v) { s.critical_grace = duration(v, milliseconds(0), hours(1)); }},
    {"max-rate", "ROWS", "off", "copy at most this many rows per second", throttle, steerable, once,
     [](settings& s, text v) { s.max_rate = optional_number(v, 1, any_count); }},
    {"throttle-query", "SQL", "off", "a query that says 0 when the work may go on", throttle, only_off, once,
     [](settings& s, text v) { s.throttle_query = optional_text(v); }},
    {"pause-file", "PATH", "off", "wait while this file exists, on the machine where pgeist runs", throttle, only_off,
     once, [](settings& s, text v) { s.pause_file = optional_text(v); }},
    {"max-dead-rows", "PERCENT", "20",
     "backfill: wait for autovacuum, or VACUUM, before more of the table's rows than this are dead, and while "
     "autovacuum "
     "is at work on it",
     throttle, steerable, once,
     [](settings& s, text v) {
         s.max_dead_rows =
             is_off(v) ? std::nullopt
                       : std::optional<double>(number(v.ends_with('%') ? v.substr(0, v.size() - 1) : v, 0.1, 99));
     }},
    {"window", "FROM-TO", "off",
     "work only at these times of day (22:00-06:00, several with commas), by the clock and time zone of the machine "
     "where pgeist runs; replay goes on, slowly",
     throttle, steerable, once, [](settings& s, text v) { s.window = optional_window(v); }},
    {"nice", "RATIO", "0", "rest after each chunk, as a multiple of the chunk's own time", throttle, steerable, once,
     [](settings& s, text v) { s.nice = number(v, 0, 100); }},

    {"verify", "HOW", "full", "compare both tables before the swap: full, sample:PERCENT or off", verify, fixed, once,
     apply_verify},

    {"lock-timeout", "TIME", "200ms", "the longest a lock request may stand before the table, 1ms to 1min", swap,
     steerable, once, [](settings& s, text v) { s.lock_timeout = duration(v, milliseconds(1), longest_lock_timeout); }},
    {"swap-attempts", "N", "100", "how often to try for the lock", swap, steerable, once,
     [](settings& s, text v) { s.swap_attempts = static_cast<int>(whole_number(v, 1, 1'000'000)); }},
    {"swap-max-wait", "TIME", "30min", "how long to try, all attempts together", swap, steerable, once,
     [](settings& s, text v) { s.swap_max_wait = duration(v, milliseconds(0), long_time); }},
    {"on-blocked", "WHAT", "wait", "what to do with a session in the way: wait, cancel or terminate", swap, steerable,
     once, apply_on_blocked},
    {"postpone-swap", "", "", "do everything else, then wait for `pgeist swap JOB`", swap, steerable, once,
     [](settings& s, text v) { s.postpone_swap = parse_switch(v); }},
    {"postpone-file", "PATH", "off", "do not swap while this file exists", swap, only_off, once,
     [](settings& s, text v) { s.postpone_file = optional_text(v); }},
    {"swap-window", "FROM-TO", "off",
     "swap only at these times of day, written as for --window; `pgeist swap JOB` overrides", swap, steerable, once,
     [](settings& s, text v) { s.swap_window = optional_window(v); }},
    {"ignore-old-snapshots", "", "",
     "swap even though a transaction with an older snapshot may then see the table empty or stale; without it only "
     "rows "
     "changed in the last moment before the swap can be stale to a snapshot of that moment (docs/locks.md)",
     swap, steerable, once, [](settings& s, text v) { s.ignore_old_snapshots = parse_switch(v); }},

    {"keep-old", "", "yes", "keep the old table in the job's schema until `pgeist cleanup JOB`", after, fixed, once,
     [](settings& s, text v) { s.drop_old = !parse_switch(v); }},
    {"drop-old", "", "", "drop the old table after the swap", after, fixed, once,
     [](settings& s, text v) { s.drop_old = parse_switch(v); }},
    {"revertible", "", "", "keep the old table in step after the swap, for `pgeist revert JOB`", after, fixed, once,
     [](settings& s, text v) { s.revertible = parse_switch(v); }},
    {"revert-window", "TIME", "off",
     "go on replaying into the old table for so long after the swap, then give the way back up; without it the log "
     "waits until `pgeist revert`, `resume` or `cleanup`",
     after, fixed, once, [](settings& s, text v) { s.revert_window = optional_long_time(v); }},
    {"back-set", "OLD_COLUMN=EXPRESSION", "",
     "an old column's value, over the columns of the new row, where it cannot be converted back or was dropped", after,
     fixed, repeatable, [](settings& s, text v) { s.back_sets.push_back(checked_assignment(v)); }},

    {"statement-timeout", "TIME", "none", "the longest a chunk or batch may take before it is given up; 0: no limit",
     safety, steerable, once,
     [](settings& s, text v) {
         s.statement_timeout = is_off(v) ? milliseconds(0) : duration(v, milliseconds(0), long_time);
     }},
    {"max-log-size", "SIZE", "off", "stop when the change log has grown beyond this", safety, steerable, once,
     [](settings& s, text v) { s.max_log_size = optional_size(v, megabyte); }},
    {"reconnect-max", "TIME", "10min", "how long to try for a lost connection; 0: stop at once", safety, steerable,
     once, [](settings& s, text v) { s.reconnect_max = duration(v, milliseconds(0), long_time); }},
};

}  // namespace

std::span<const option> options() { return table; }

const option* find_option(std::string_view name) {
    const auto found =
        std::find_if(std::begin(table), std::end(table), [&](const option& each) { return each.name == name; });
    return found == std::end(table) ? nullptr : found;
}

void apply_option(settings& into, std::string_view name, const std::string& value) {
    const option* found = find_option(name);
    if (found == nullptr) {
        throw usage_error(fmt::format("there is no option {}", name));
    }
    found->apply(into, value);
}

void apply_steering(settings& into, std::string_view name, const std::string& value) {
    const option* found = find_option(name);
    if (found == nullptr || found->steerable == steering::never) {
        throw usage_error(fmt::format("{} cannot be changed while a job runs", name),
                          "what can be: " + names_of(steering::freely));
    }
    if (found->steerable == steering::only_off && !is_off(value)) {
        throw usage_error(fmt::format("while a job runs {} can only be taken away, with {}=off", name, name),
                          "to give it another value end the run (Ctrl-C) and go on with: pgeist resume JOB --" +
                              std::string(name) + " …");
    }
    found->apply(into, value);
}

std::string names_of(steering kind) {
    std::string names;
    for (const option& each : table) {
        if (each.steerable == kind) {
            names += (names.empty() ? "" : ", ") + std::string(each.name);
        }
    }
    return names;
}

bool parse_switch(const std::string& value) {
    if (value == "on" || value == "true" || value == "yes" || value == "1") {
        return true;
    }
    if (value == "off" || value == "false" || value == "no" || value == "0") {
        return false;
    }
    throw usage_error(fmt::format("\"{}\" is neither on nor off", value), "use on or off");
}

}  // namespace pgeist::run
