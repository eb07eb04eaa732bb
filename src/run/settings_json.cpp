#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/run/settings.hpp"

namespace pgeist::run {

namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr const char* verify_names[] = {"full", "sample", "off"};
constexpr const char* blocked_names[] = {"wait", "cancel", "terminate"};

json::value of(int value) { return value; }
json::value of(std::int64_t value) { return value; }
json::value of(double value) { return value; }
json::value of(bool value) { return value; }
json::value of(milliseconds value) { return static_cast<std::int64_t>(value.count()); }
json::value of(const std::string& value) { return json::string(value); }
json::value of(verify_mode value) { return json::string(verify_names[static_cast<int>(value)]); }
json::value of(on_blocked value) { return json::string(blocked_names[static_cast<int>(value)]); }
json::value of(const std::vector<std::string>& values) {
    json::array all;
    for (const auto& value : values) {
        all.emplace_back(value);
    }
    return all;
}
template <class T>
json::value of(const std::optional<T>& value) {
    return value ? of(*value) : json::value(nullptr);
}

void read(const json::value& from, int& into) { into = json::value_to<int>(from); }
void read(const json::value& from, std::int64_t& into) { into = json::value_to<std::int64_t>(from); }
void read(const json::value& from, double& into) { into = json::value_to<double>(from); }
void read(const json::value& from, bool& into) { into = from.as_bool(); }
void read(const json::value& from, milliseconds& into) { into = milliseconds(json::value_to<std::int64_t>(from)); }
void read(const json::value& from, std::string& into) { into = std::string(from.as_string()); }
template <class Enum, std::size_t N>
void read_name(const json::value& from, Enum& into, const char* const (&names)[N]) {
    for (std::size_t at = 0; at < N; ++at) {
        if (from.as_string() == names[at]) {
            into = static_cast<Enum>(at);
            return;
        }
    }
    throw std::invalid_argument("unknown value " + std::string(from.as_string()));
}
void read(const json::value& from, verify_mode& into) { read_name(from, into, verify_names); }
void read(const json::value& from, on_blocked& into) { read_name(from, into, blocked_names); }
void read(const json::value& from, std::vector<std::string>& into) {
    into.clear();
    for (const auto& each : from.as_array()) {
        into.emplace_back(each.as_string());
    }
}
template <class T>
void read(const json::value& from, std::optional<T>& into) {
    into.reset();
    if (!from.is_null()) {
        read(from, into.emplace());
    }
}

/// Calls `visit(name, member)` for everything that is stored, so that writing and reading cannot differ.
template <class Settings, class Visitor>
void visit_all(Settings& s, Visitor&& visit) {
    visit("workers", s.workers);
    visit("workers_auto", s.workers_auto);
    visit("workers_chosen", s.workers_chosen);
    visit("chunk_time_ms", s.chunk_time);
    visit("chunk_rows", s.chunk_rows);
    visit("index_jobs", s.index_jobs);
    visit("index_jobs_chosen", s.index_jobs_chosen);
    visit("maintenance_work_mem", s.maintenance_work_mem);
    visit("max_lag_bytes", s.max_lag_bytes);
    visit("max_lag_time_ms", s.max_lag_time);
    visit("lag_replicas", s.lag_replicas);
    visit("max_slot_lag", s.max_slot_lag);
    visit("max_load", s.max_load);
    visit("max_lock_waiters", s.max_lock_waiters);
    visit("max_commit_latency_ms", s.max_commit_latency);
    visit("max_wal_rate", s.max_wal_rate);
    visit("critical_load", s.critical_load);
    visit("critical_grace_ms", s.critical_grace);
    visit("window", s.window);
    visit("max_rate", s.max_rate);
    visit("throttle_query", s.throttle_query);
    visit("pause_file", s.pause_file);
    visit("nice", s.nice);
    visit("verify", s.verify);
    visit("verify_sample_percent", s.verify_sample_percent);
    visit("lock_timeout_ms", s.lock_timeout);
    visit("swap_attempts", s.swap_attempts);
    visit("swap_max_wait_ms", s.swap_max_wait);
    visit("on_blocked", s.blocked);
    visit("postpone_swap", s.postpone_swap);
    visit("postpone_file", s.postpone_file);
    visit("swap_window", s.swap_window);
    visit("ignore_old_snapshots", s.ignore_old_snapshots);
    visit("drop_old", s.drop_old);
    visit("statement_timeout_ms", s.statement_timeout);
    visit("max_log_size", s.max_log_size);
    visit("reconnect_max_ms", s.reconnect_max);
}

}  // namespace

std::string to_json(const settings& value) {
    json::object object;
    visit_all(value, [&](const char* name, const auto& member) { object.emplace(name, of(member)); });
    return json::serialize(object);
}

settings settings_from_json(const std::string& text) {
    settings value;
    try {
        const json::object object = json_from(text).as_object();
        // A member that is not there was not yet known to the version that stored the job: the default holds.
        visit_all(value, [&](const char* name, auto& member) {
            if (const json::value* found = object.if_contains(name)) {
                read(*found, member);
            }
        });
    } catch (const std::exception& problem) {
        throw error(exit_code::failed, fmt::format("the stored settings of the job cannot be read: {}", problem.what()),
                    "use the version of pgeist that started the job, or remove the job with `pgeist cleanup JOB`");
    }
    return value;
}

}  // namespace pgeist::run
