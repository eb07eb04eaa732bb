#include "pgeist/report/status_view.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/bar.hpp"
#include "pgeist/report/json_line.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

constexpr std::size_t column_count = 9;
using cells = std::array<std::string, column_count>;
const cells heading{"job", "table", "state", "phase", "done", "rows/s", "ETA", "log", "size"};
// Numbers stand on the right of their column.
constexpr std::array<bool, column_count> to_the_right{true, false, false, false, true, true, true, true, true};

std::string seconds(double value) {
    return format_duration(std::chrono::milliseconds(static_cast<std::int64_t>(value * 1000)));
}

std::string state_of(const job::status& job) {
    return job.throttled && job.state == "throttled" ? "throttled: " + *job.throttled : job.state;
}

paint paint_of(const std::string& state) {
    if (state == "running" || state == "done") {
        return paint::green;
    }
    if (state == "failed" || state == "interrupted") {
        return paint::red;
    }
    return state == "cancelled" || state == "reverted" ? paint::dim : paint::yellow;
}

std::string log_of(const job::status& job) { return job.log_pending < 0 ? "?" : format_count(job.log_pending); }

/// What is to be done about a job that nobody works on, while the application's writes go on being logged.
std::string log_warning(const job::status& job) {
    if (!job.log_bytes_per_hour) {
        return {};
    }
    return fmt::format(
        "job {0} logs changes of {1} though nobody works on it: the log has {2} and grows by {3} an hour; go on with "
        "`pgeist resume {0}` or remove it with `pgeist cleanup {0}`",
        job.job, job.table, format_size(job.log_bytes),
        format_size(static_cast<std::int64_t>(*job.log_bytes_per_hour)));
}

cells row_of(const job::status& job) {
    return cells{std::to_string(job.job),
                 job.table,
                 job.state,
                 job.phase,
                 job.percent ? fmt::format("{:.1f}%", *job.percent) : "",
                 job.rows_per_second ? format_count(static_cast<std::int64_t>(*job.rows_per_second + 0.5)) : "",
                 job.eta_seconds ? seconds(*job.eta_seconds) : "",
                 log_of(job),
                 format_size(job.size_bytes)};
}

std::string shown(const terminal& screen, std::string_view text) {
    const std::string safe = one_line(text);
    return screen.utf8 ? safe : to_ascii(safe);
}

}  // namespace

std::string status_json(const job::status& job) {
    json_line line;
    line.integer("job", job.job).text("table", job.table).text("phase", job.phase).text("state", job.state);
    line.integer("rows_done", job.rows_done);
    line.integer("rows_total", job.rows_total > 0 ? std::optional<std::int64_t>(job.rows_total) : std::nullopt);
    line.number("percent", job.percent, 2).number("rows_per_second", job.rows_per_second, 0);
    line.number("eta_seconds", job.eta_seconds, 1);
    line.integer("log_pending", job.log_pending >= 0 ? std::optional<std::int64_t>(job.log_pending) : std::nullopt);
    line.text("throttled", job.throttled);
    line.text("started_at", job.started_at).text("updated_at", job.updated_at);
    line.boolean("pid_alive", job.pid_alive).boolean("resumable", job.resumable).integer("size_bytes", job.size_bytes);
    const auto known = [](std::int64_t value) { return value > 0 ? std::optional<std::int64_t>(value) : std::nullopt; };
    line.integer("workers", known(job.workers)).integer("chunk_rows", known(job.chunk_rows));
    line.integer("chunk_ms", job.chunk_rows > 0 ? std::optional<std::int64_t>(job.chunk_ms) : std::nullopt);
    line.integer("lag_bytes", job.lag_bytes).integer("lag_ms", job.lag_ms);
    line.text("doing", job.doing.empty() ? std::nullopt : std::optional<std::string>(job.doing));
    line.text("blocked_by", job.blocked_by.empty() ? std::nullopt : std::optional<std::string>(job.blocked_by));
    line.integer("log_bytes", job.log_bytes).number("log_bytes_per_hour", job.log_bytes_per_hour, 0);
    line.text("warning", log_warning(job).empty() ? std::nullopt : std::optional<std::string>(log_warning(job)));
    line.text("change", job.change).text("strategy", job.strategy);
    line.text("old_table", job.old_table.empty() ? std::nullopt : std::optional<std::string>(job.old_table));
    line.text("message", job.message);
    return line.str();
}

std::string status_table(const std::vector<job::status>& jobs, const terminal& screen) {
    if (jobs.empty()) {
        return "no jobs\n";
    }
    std::vector<cells> rows{heading};
    for (const job::status& job : jobs) {
        rows.push_back(row_of(job));
        for (std::string& cell : rows.back()) {
            cell = shown(screen, cell);
        }
    }
    std::array<std::size_t, column_count> widths{};
    for (const cells& row : rows) {
        for (std::size_t at = 0; at < column_count; ++at) {
            widths[at] = std::max(widths[at], columns_of(row[at]));
        }
    }
    std::string text;
    for (std::size_t number = 0; number < rows.size(); ++number) {
        std::string line;
        for (std::size_t at = 0; at < column_count; ++at) {
            std::string cell =
                to_the_right[at] ? padded_left(rows[number][at], widths[at]) : padded(rows[number][at], widths[at]);
            const bool is_state = at == 2 && number > 0;
            line += (at == 0 ? "" : "  ") + (is_state ? painted(screen, paint_of(rows[number][at]), cell) : cell);
        }
        text += line + "\n";
    }
    for (const job::status& job : jobs) {
        if (const std::string warning = log_warning(job); !warning.empty()) {
            text += painted(screen, paint::yellow, shown(screen, "warning: " + warning)) + "\n";
        }
    }
    return text;
}

std::string status_detail(const job::status& job, const terminal& screen) {
    std::string text;
    const auto fact = [&](std::string_view name, std::string_view value, paint how = paint::plain) {
        if (!value.empty()) {
            text += fmt::format("{:<11} {}\n", name, painted(screen, how, shown(screen, value)));
        }
    };
    fact("job", std::to_string(job.job), paint::bold);
    fact("table", job.table);
    fact("change", job.change);
    fact("strategy", job.strategy);
    fact("state", state_of(job), paint_of(job.state));
    fact("phase", job.phase);
    std::string done =
        job.percent ? fmt::format("{} {:.1f}%, ", render_bar(*job.percent, 20, screen.utf8), *job.percent) : "";
    done += format_count(job.rows_done) + (job.rows_total > 0 ? " of " + format_count(job.rows_total) : "") + " rows";
    fact("progress", job.percent || job.rows_done > 0 ? done : "");
    if (job.rows_per_second && *job.rows_per_second > 0) {
        fact("rate", format_count(static_cast<std::int64_t>(*job.rows_per_second + 0.5)) + " rows/s");
    }
    fact("ETA", job.eta_seconds ? seconds(*job.eta_seconds) : "");
    fact("log", job.log_pending != 0 ? log_of(job) + " changes to replay" : "");
    fact("log size", job.log_bytes > 0 ? format_size(job.log_bytes) : "");
    fact("warning", log_warning(job), paint::yellow);
    fact("waits for", job.throttled.value_or(""));
    fact("in the way", job.blocked_by);
    fact("doing", job.doing);
    fact("workers", job.workers > 0 ? std::to_string(job.workers) : "");
    std::string lag = job.lag_bytes ? format_size(*job.lag_bytes) : "";
    if (job.lag_ms) {
        lag += (lag.empty() ? "" : ", ") + format_duration(std::chrono::milliseconds(*job.lag_ms));
    }
    fact("replica lag", lag);
    fact("occupies", format_size(job.size_bytes));
    fact("old table", job.old_table);
    fact("started", job.started_at);
    fact("updated", job.updated_at);
    fact("process", job.pid_alive ? "alive" : "none");
    fact("resumable", job.resumable ? fmt::format("yes: pgeist resume {}", job.job) : "no");
    fact("message", job.message);
    return text;
}

bool at_rest(const job::status& job) {
    return job.state == "done" || job.state == "failed" || job.state == "cancelled" || job.state == "reverted" ||
           job.state == "interrupted";
}

}  // namespace pgeist::report
