#include "pgeist/report/terminal/status_view.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/report/terminal/bar.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

constexpr std::size_t column_count = 9;
using cells = std::array<std::string, column_count>;
const cells heading{"job", "table", "state", "phase", "done", "rows/s", "ETA", "log", "size"};
// Numbers stand on the right of their column.
constexpr std::array<bool, column_count> to_the_right{true, false, false, false, true, true, true, true, true};

std::string state_of(const job_status& job) {
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

std::string log_of(const job_status& job) { return job.log_pending < 0 ? "?" : format_count(job.log_pending); }

cells row_of(const job_status& job) {
    return cells{std::to_string(job.job),
                 job.table,
                 job.state,
                 job.phase,
                 job.percent ? fmt::format("{:.1f}%", *job.percent) : "",
                 job.rows_per_second ? format_count(static_cast<std::int64_t>(*job.rows_per_second + 0.5)) : "",
                 job.eta_seconds ? seconds_text(*job.eta_seconds) : "",
                 log_of(job),
                 format_size(job.size_bytes)};
}

/// `yes until …, 12 changes behind, 0 unfit`, `no: 3 rows do not fit: id = 5 …`.
std::string revertible_of(const job_status& job) {
    if (!job.revertible) {
        return "";
    }
    if (job.why_not_revertible) {
        return "no: " + *job.why_not_revertible;
    }
    const std::string behind = log_of(job) + " changes behind";
    if (!*job.revertible) {
        std::string keys;
        for (const std::string& each : job.unfit_keys.value_or(std::vector<std::string>())) {
            keys += (keys.empty() ? "" : ", ") + each;
        }
        return fmt::format("no: {} row{} not fit: {}; {}", format_count(*job.unfit), *job.unfit == 1 ? " does" : "s do",
                           keys, behind);
    }
    return fmt::format("yes{}, {}{}", job.revert_until ? " until " + *job.revert_until : "", behind,
                       job.unfit ? ", all rows fit" : "");
}

std::string shown(const terminal& screen, std::string_view text) {
    const std::string safe = one_line(text);
    return screen.utf8 ? safe : to_ascii(safe);
}

}  // namespace

std::string status_table(const std::vector<job_status>& jobs, const terminal& screen) {
    if (jobs.empty()) {
        return "no jobs\n";
    }
    std::vector<cells> rows{heading};
    for (const job_status& job : jobs) {
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
    for (const job_status& job : jobs) {
        if (const std::string warning = log_warning(job); !warning.empty()) {
            text += painted(screen, paint::yellow, shown(screen, "warning: " + warning)) + "\n";
        }
    }
    return text;
}

std::string status_detail(const job_status& job, const terminal& screen) {
    std::string text;
    const auto fact = [&](std::string_view name, std::string_view value, paint how = paint::plain) {
        if (!value.empty()) {
            text += fmt::format("{:<11} {}\n", name, painted(screen, how, shown(screen, value)));
        }
    };
    fact("job", std::to_string(job.job), paint::bold);
    fact("table", job.table);
    fact("step of", job.parent ? fmt::format("job {}", *job.parent) : "");
    fact("swapped with", job.group && *job.group != job.job ? fmt::format("job {}, which leads", *job.group) : "");
    fact("change", job.change);
    fact("strategy", job.strategy);
    fact("state", state_of(job), paint_of(job.state));
    fact("phase", job.phase);
    std::string done =
        job.percent ? fmt::format("{} {:.1f}%, ", render_bar(*job.percent, 20, screen.utf8), *job.percent) : "";
    done += format_count(job.rows_done) + (job.rows_total > 0 ? " of " + format_count(job.rows_total) : "") + " rows";
    fact("progress", job.steps.empty() && (job.percent || job.rows_done > 0) ? done : "");
    if (job.rows_per_second && *job.rows_per_second > 0) {
        fact("rate", format_count(static_cast<std::int64_t>(*job.rows_per_second + 0.5)) + " rows/s");
    }
    fact("ETA", job.eta_seconds ? seconds_text(*job.eta_seconds) : "");
    fact("whole run", job.run_eta_seconds ? "ETA " + seconds_text(*job.run_eta_seconds) : "");
    fact("log", job.log_pending != 0 ? log_of(job) + " changes to replay" : "");
    fact("log size", job.log_bytes > 0 ? format_size(job.log_bytes) : "");
    fact("warning", log_warning(job), paint::yellow);
    fact("waits for", job.throttled.value_or(""));
    fact("in the way", job.blocked_by);
    fact("doing", job.doing);
    fact("server", job.server_phase);
    fact("workers", job.workers > 0 ? std::to_string(job.workers) : "");
    std::string lag = job.lag_bytes ? format_size(*job.lag_bytes) : "";
    if (job.lag_ms) {
        lag += (lag.empty() ? "" : ", ") + format_duration(std::chrono::milliseconds(*job.lag_ms));
    }
    fact("replica lag", lag);
    fact("occupies", format_size(job.size_bytes));
    if (job.expanded.value_or(false)) {
        fact("expanded", job.trial.value_or(false) ? "the old columns are out of sight, and kept in step"
                                                   : "old and new columns are kept in step");
        fact("conflicts", format_count(job.conflicts.value_or(0)) + " rows (rolled back ones included)");
    }
    fact("old table", job.old_table);
    fact("revertible", revertible_of(job), job.revertible.value_or(true) ? paint::plain : paint::yellow);
    fact("started", job.started_at);
    fact("updated", job.updated_at);
    fact("process", job.pid_alive ? "alive" : "none");
    fact("resumable", job.resumable ? fmt::format("yes: pgeist resume {}", job.job) : "no");
    fact("message", job.message);
    for (const job_status::step& each : job.steps) {
        fact(fmt::format("step {}", each.number), fmt::format("{} ({}): {}{}", each.state, each.method, each.statement,
                                                              each.message.empty() ? "" : "; " + each.message));
    }
    return text;
}

bool at_rest(const job_status& job) {
    return job.state == "done" || job.state == "failed" || job.state == "cancelled" || job.state == "reverted" ||
           job.state == "interrupted";
}

}  // namespace pgeist::report
