#include "pgeist/report/metrics/metrics_observer.hpp"

#include <algorithm>
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

std::string labels_of(const metrics& of) { return fmt::format("job=\"{}\",table=\"{}\"", of.job, escaped(of.table)); }

/// Collects families of metrics, each with its HELP and TYPE once, and a sample of every job.
class page {
public:
    explicit page(const std::vector<metrics>& jobs) : jobs_(jobs) {}

    /// Nothing is written for what is not known.
    template <class Read>
    void family(const char* name, const char* type, const char* help, const Read& read) {
        bool told = false;
        for (const metrics& each : jobs_) {
            const std::optional<double> value = read(each);
            if (!value) {
                continue;
            }
            if (!std::exchange(told, true)) {
                head("pgeist_job_", name, type, help);
            }
            text_ += fmt::format("pgeist_job_{}{{{}}} {}\n", name, labels_of(each), *value);
        }
    }
    template <class Read>
    void gauge(const char* name, const char* help, const Read& read) {
        family(name, "gauge", help, read);
    }
    template <class Read>
    void counter(const char* name, const char* help, const Read& read) {
        family(name, "counter", help, read);
    }
    void all_phases() {
        head("pgeist_job_", "phase", "gauge", "The phase that the job is in (1), of all that there are.");
        for (const metrics& each : jobs_) {
            for (const char* name : phases) {
                text_ += fmt::format("pgeist_job_phase{{{},phase=\"{}\"}} {}\n", labels_of(each), name,
                                     each.phase == name ? 1 : 0);
            }
        }
    }
    /// Of jobs that belong together; nothing where there is one.
    template <class Read>
    void together(const char* name, const char* type, const char* help, const Read& read) {
        if (jobs_.size() < 2) {
            return;
        }
        double sum = 0;
        for (const metrics& each : jobs_) {
            const std::optional<double> value = read(each);
            sum += value.value_or(0);
        }
        head("pgeist_group_", name, type, help);
        text_ += fmt::format("pgeist_group_{}{{group=\"{}\"}} {}\n", name, jobs_.front().job, sum);
    }
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    void head(const char* prefix, const char* name, const char* type, const char* help) {
        text_ += fmt::format("# HELP {0}{1} {2}\n# TYPE {0}{1} {3}\n", prefix, name, help, type);
    }

    const std::vector<metrics>& jobs_;
    std::string text_;
};

std::optional<double> known(std::int64_t value, std::int64_t least) {
    return value >= least ? std::optional<double>(static_cast<double>(value)) : std::nullopt;
}

std::optional<double> rows_copied(const metrics& of) { return static_cast<double>(of.rows_copied); }

std::optional<double> rows_verified(const metrics& of) { return static_cast<double>(of.rows_verified); }

std::optional<double> log_rows(const metrics& of) { return known(of.now.log_pending, 0); }

template <class Number>
std::optional<double> as_double(const std::optional<Number>& value) {
    return value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt;
}

template <class Time>
std::optional<double> in_seconds(const std::optional<Time>& time) {
    return time ? std::optional<double>(std::chrono::duration<double>(*time).count()) : std::nullopt;
}

/// As the status says: not while a row is unfit. Unset: the job has not come to that.
std::optional<bool> revertible(const metrics& of) {
    return of.given_up ? std::optional(false) : of.now.unfit ? std::optional(*of.now.unfit == 0) : std::nullopt;
}

void add_progress(page& out) {
    using number = std::optional<double>;
    out.gauge("phase_rows", "What is done in the current phase, in rows.",
              [](const metrics& of) { return number(static_cast<double>(of.now.rows_done)); });
    out.gauge("phase_rows_expected", "What there is to do in the current phase, in rows (estimate).",
              [](const metrics& of) { return known(of.now.rows_total, 1); });
    out.counter("rows_copied_total", "Rows copied by this run.", rows_copied);
    out.counter("rows_verified_total", "Rows compared by this run.", rows_verified);
    out.gauge("change_log_rows", "Changes not yet replayed (estimate).", log_rows);
    out.gauge("unfit_rows", "Rows that do not fit the old table, which is kept in step.",
              [](const metrics& of) { return as_double(of.now.unfit); });
    out.gauge("revert_window_seconds_left", "How long the swap can still be taken back.",
              [](const metrics& of) { return in_seconds(of.now.window_left); });
    out.gauge("revertible", "Whether the swap can be taken back.",
              [](const metrics& of) { return as_double(revertible(of)); });
}

void add_work(page& out) {
    using number = std::optional<double>;
    out.gauge("throttled", "Whether the run waits because of a limit or a pause.",
              [](const metrics& of) { return number(of.now.throttled ? 1 : 0); });
    out.counter("throttled_seconds_total", "Time spent waiting because of a limit or a pause.",
                [](const metrics& of) { return number(of.throttled_seconds); });
    out.gauge("workers", "Workers at work on chunks.", [](const metrics& of) { return known(of.now.workers, 1); });
    out.gauge("chunk_rows", "Rows of the last chunk.", [](const metrics& of) { return known(of.now.chunk_rows, 1); });
    out.gauge("chunk_duration_seconds", "What the last chunk took.", [](const metrics& of) {
        return of.now.chunk_rows > 0 ? number(std::chrono::duration<double>(of.now.chunk_time).count()) : std::nullopt;
    });
    out.gauge("replica_lag_bytes", "WAL that the furthest replica has not replayed.",
              [](const metrics& of) { return as_double(of.now.lag_bytes); });
    out.gauge("replica_lag_seconds", "How far the furthest replica is behind.",
              [](const metrics& of) { return in_seconds(of.now.lag_time); });
    out.counter("lock_attempts_failed_total", "Attempts at a lock that found somebody in the way.",
                [](const metrics& of) { return number(static_cast<double>(of.lock_attempts_failed)); });
    out.gauge("swap_lock_held_seconds", "How long the swap held the table's lock.",
              [](const metrics& of) { return of.lock_held_seconds; });
    out.gauge("start_timestamp_seconds", "When this run began, since 1970.",
              [](const metrics& of) { return number(of.started_at); });
    out.gauge("update_timestamp_seconds", "When this file was written, since 1970.",
              [](const metrics& of) { return number(of.updated_at); });
    out.gauge("exit_code", "How the run ended (see the manual).",
              [](const metrics& of) { return as_double(of.exit_code); });
}

}  // namespace

std::string prometheus_text(const std::vector<metrics>& jobs) {
    page out(jobs);
    out.gauge("running", "Whether pgeist is at work on the job.",
              [](const metrics& of) { return std::optional<double>(of.exit_code ? 0 : 1); });
    out.all_phases();
    add_progress(out);
    add_work(out);
    out.together("tables", "gauge", "Tables that are exchanged together.",
                 [](const metrics&) { return std::optional<double>(1); });
    out.together("rows_copied_total", "counter", "Rows of all tables together copied by this run.", rows_copied);
    out.together("rows_verified_total", "counter", "Rows of all tables together compared by this run.", rows_verified);
    out.together("change_log_rows", "gauge", "Changes of all tables together not yet replayed (estimate).", log_rows);
    return out.text();
}

metrics_observer::metrics_observer(std::string path, time_source time, std::function<void(const std::string&)> complain)
    : path_(std::move(path)), time_(std::move(time)), complain_(std::move(complain)) {
    jobs_.front().started_at = seconds_of(time_.today());
}

void metrics_observer::write() {
    for (metrics& each : jobs_) {
        each.updated_at = seconds_of(time_.today());
    }
    written_ = time_.now();
    const std::string failure = replace_file(path_, prometheus_text(jobs_), readers::everybody);
    if (!failure.empty() && !std::exchange(complained_, true)) {
        complain_("--metrics: " + failure);
    }
}

void metrics_observer::count_time(metrics& of) {
    const auto now = time_.now();
    const auto before = counted_.find(of.job);
    if (before != counted_.end() && of.now.throttled) {
        of.throttled_seconds += std::chrono::duration<double>(now - before->second).count();
    }
    counted_[of.job] = now;
}

/// A step of the first job is told of as if it were that one.
void metrics_observer::concerns(std::int64_t job) {
    told_of_ = 0;
    if (job == in_its_place_) {
        return;
    }
    for (std::size_t place = 0; place < jobs_.size(); ++place) {
        told_of_ = jobs_[place].job == job ? place : told_of_;
    }
}

void metrics_observer::job_started(std::int64_t job, const std::string& table, const std::string&) {
    metrics& first = jobs_.front();
    if (first.job == 0 || first.job == job) {
        first.job = job;
        first.table = table;
        return;
    }
    const bool is_known = std::any_of(jobs_.begin(), jobs_.end(), [&](const metrics& each) { return each.job == job; });
    if (job == in_its_place_ || is_known) {
        return;
    }
    metrics beside;
    beside.job = job;
    beside.table = table;
    beside.started_at = first.started_at;
    told_of_ = jobs_.size();
    jobs_.push_back(std::move(beside));
}

void metrics_observer::phase_started(const phase& now) {
    metrics& of = figures();
    count_time(of);
    of.phase = now.name;
    of.now = progress();
    write();
}

void metrics_observer::progressed(const progress& now) {
    metrics& of = figures();
    count_time(of);
    // Rows may start lower again, after a TRUNCATE; counters never fall.
    const std::int64_t more = std::max<std::int64_t>(0, now.rows_done - of.now.rows_done);
    of.rows_copied += of.phase == "copy" ? more : 0;
    of.rows_verified += of.phase == "verify" ? more : 0;
    of.now = now;
    if (!written_ || time_.now() - *written_ >= write_interval) {
        write();
    }
}

void metrics_observer::lock_waited(int, milliseconds, const std::vector<blocker>&) { ++figures().lock_attempts_failed; }

void metrics_observer::verified(const verification&) {}

void metrics_observer::swapped(const swap_outcome& done) {
    if (done.attempts > 0) {  // otherwise nobody knows
        figures().lock_held_seconds = done.lock_held_ms / 1000;
    }
}

void metrics_observer::not_revertible(const std::string&) {
    figures().given_up = true;
    write();
}

void metrics_observer::message(level, const std::string&) {}

void metrics_observer::finished(const outcome& result) {
    for (metrics& each : jobs_) {
        count_time(each);
        each.now.throttled.reset();
        each.exit_code = static_cast<int>(result.code);
    }
    write();
}

}  // namespace pgeist::report
