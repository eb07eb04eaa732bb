#include "pgeist/report/metrics/metrics_observer.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "pgeist/report/replace_file.hpp"

namespace pgeist::report {

namespace {

constexpr auto write_interval = std::chrono::seconds(1);
constexpr std::array phases{"prepare", "expand",  "backfill", "capture",   "copy",   "key",
                            "replay",  "build",   "verify",   "swap",      "finish", "steps",
                            "window",  "reindex", "rehearse", "take_back", "repack"};

double seconds_of(wall::time_point at) { return std::chrono::duration<double>(at.time_since_epoch()).count(); }

std::string escaped(const std::string& value) {
    std::string out;
    for (const char letter : value) {
        if (letter == '\\' || letter == '"') {
            out += '\\';
        }
        out += letter == '\n' ? std::string("\\n") : std::string(1, letter);
    }
    return out;
}

/// Collects families of metrics: each has its HELP and TYPE once.
class page {
public:
    explicit page(const metrics& of) : labels_(fmt::format("job=\"{}\",table=\"{}\"", of.job, escaped(of.table))) {}

    void family(const char* name, const char* type, const char* help) {
        name_ = std::string("pgeist_job_") + name;
        text_ += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name_, help, type);
    }
    void sample(double value, const std::string& more = {}) {
        text_ += fmt::format("{}{{{}{}}} {}\n", name_, labels_, more, value);
    }
    void one(const char* name, const char* type, const char* help, double value) {
        family(name, type, help);
        sample(value);
    }
    /// Nothing is written for what is not known.
    void gauge(const char* name, const char* help, std::optional<double> value) {
        if (value) {
            one(name, "gauge", help, *value);
        }
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string labels_;
    std::string name_;
    std::string text_;
};

std::optional<double> known(std::int64_t value, std::int64_t least) {
    return value >= least ? std::optional<double>(static_cast<double>(value)) : std::nullopt;
}

}  // namespace

std::string prometheus_text(const metrics& what) {
    page out(what);
    const progress& now = what.now;
    out.one("running", "gauge", "Whether pgeist is at work on the job.", what.exit_code ? 0 : 1);
    out.family("phase", "gauge", "The phase that the job is in (1), of all that there are.");
    for (const char* each : phases) {
        out.sample(what.phase == each ? 1 : 0, fmt::format(",phase=\"{}\"", each));
    }
    out.one("phase_rows", "gauge", "What is done in the current phase, in rows.", static_cast<double>(now.rows_done));
    out.gauge("phase_rows_expected", "What there is to do in the current phase, in rows (estimate).",
              known(now.rows_total, 1));
    out.one("rows_copied_total", "counter", "Rows copied by this run.", static_cast<double>(what.rows_copied));
    out.one("rows_verified_total", "counter", "Rows compared by this run.", static_cast<double>(what.rows_verified));
    out.gauge("change_log_rows", "Changes not yet replayed (estimate).", known(now.log_pending, 0));
    if (now.unfit) {
        out.one("unfit_rows", "gauge", "Rows that do not fit the old table, which is kept in step.",
                static_cast<double>(*now.unfit));
    }
    if (now.window_left) {
        out.one("revert_window_seconds_left", "gauge", "How long the swap can still be taken back.",
                std::chrono::duration<double>(*now.window_left).count());
    }
    if (what.revertible) {
        out.one("revertible", "gauge", "Whether the swap can be taken back.", *what.revertible ? 1 : 0);
    }
    out.one("throttled", "gauge", "Whether the run waits because of a limit or a pause.", now.throttled ? 1 : 0);
    out.one("throttled_seconds_total", "counter", "Time spent waiting because of a limit or a pause.",
            what.throttled_seconds);
    out.gauge("workers", "Workers at work on chunks.", known(now.workers, 1));
    out.gauge("chunk_rows", "Rows of the last chunk.", known(now.chunk_rows, 1));
    if (now.chunk_rows > 0) {
        out.gauge("chunk_duration_seconds", "What the last chunk took.",
                  std::chrono::duration<double>(now.chunk_time).count());
    }
    if (now.lag_bytes) {
        out.gauge("replica_lag_bytes", "WAL that the furthest replica has not replayed.",
                  static_cast<double>(*now.lag_bytes));
    }
    if (now.lag_time) {
        out.gauge("replica_lag_seconds", "How far the furthest replica is behind.",
                  std::chrono::duration<double>(*now.lag_time).count());
    }
    out.one("lock_attempts_failed_total", "counter", "Attempts at a lock that found somebody in the way.",
            static_cast<double>(what.lock_attempts_failed));
    out.gauge("swap_lock_held_seconds", "How long the swap held the table's lock.", what.lock_held_seconds);
    out.one("start_timestamp_seconds", "gauge", "When this run began, since 1970.", what.started_at);
    out.one("update_timestamp_seconds", "gauge", "When this file was written, since 1970.", what.updated_at);
    if (what.exit_code) {
        out.one("exit_code", "gauge", "How the run ended (see the manual).", *what.exit_code);
    }
    return out.text();
}

metrics_observer::metrics_observer(std::string path, time_source time, std::function<void(const std::string&)> complain)
    : path_(std::move(path)), time_(std::move(time)), complain_(std::move(complain)) {
    figures_.started_at = seconds_of(time_.today());
}

void metrics_observer::write() {
    figures_.updated_at = seconds_of(time_.today());
    written_ = time_.now();
    const std::string failure = replace_file(path_, prometheus_text(figures_), readers::everybody);
    if (!failure.empty() && !std::exchange(complained_, true)) {
        complain_("--metrics: " + failure);
    }
}

void metrics_observer::count_time() {
    const auto now = time_.now();
    if (counted_ && figures_.now.throttled) {
        figures_.throttled_seconds += std::chrono::duration<double>(now - *counted_).count();
    }
    counted_ = now;
}

void metrics_observer::job_started(std::int64_t job, const std::string& table, const std::string&) {
    figures_.job = job;
    figures_.table = table;
}

void metrics_observer::phase_started(const phase& now) {
    count_time();
    figures_.phase = now.name;
    figures_.now = progress();
    write();
}

void metrics_observer::progressed(const progress& now) {
    count_time();
    // Rows may start lower again, after a TRUNCATE; counters never fall.
    const std::int64_t more = std::max<std::int64_t>(0, now.rows_done - figures_.now.rows_done);
    figures_.rows_copied += figures_.phase == "copy" ? more : 0;
    figures_.rows_verified += figures_.phase == "verify" ? more : 0;
    figures_.now = now;
    if (now.unfit && figures_.revertible != false) {
        figures_.revertible = true;
    }
    if (!written_ || time_.now() - *written_ >= write_interval) {
        write();
    }
}

void metrics_observer::lock_waited(int, milliseconds, const std::vector<blocker>&) { ++figures_.lock_attempts_failed; }

void metrics_observer::verified(const verification&) {}

void metrics_observer::swapped(const swap_outcome& done) {
    if (done.attempts > 0) {  // otherwise nobody knows
        figures_.lock_held_seconds = done.lock_held_ms / 1000;
    }
}

void metrics_observer::not_revertible(const std::string&) {
    figures_.revertible = false;
    write();
}

void metrics_observer::message(level, const std::string&) {}

void metrics_observer::finished(const outcome& result) {
    count_time();
    figures_.now.throttled.reset();
    figures_.exit_code = static_cast<int>(result.code);
    write();
}

}  // namespace pgeist::report
