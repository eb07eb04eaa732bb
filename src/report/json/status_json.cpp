#include "pgeist/report/json/status_json.hpp"

#include <boost/json.hpp>

#include "pgeist/report/json/json_line.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::report {

namespace {

std::string keys_json(const std::optional<std::vector<std::string>>& keys) {
    if (!keys) {
        return "null";
    }
    std::string list = "[";
    for (const std::string& each : *keys) {
        list += (list.size() > 1 ? "," : "") + boost::json::serialize(boost::json::string(harmless(each)));
    }
    return list + "]";
}

/// null when there is nothing to say.
std::optional<std::string> some(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

}  // namespace

std::string status_json(const job_status& job) {
    json_line line;
    line.integer("job", job.job).text("table", some(job.table)).text("phase", job.phase).text("state", job.state);
    line.integer("rows_done", job.rows_done);
    line.integer("rows_total", job.rows_total > 0 ? std::optional<std::int64_t>(job.rows_total) : std::nullopt);
    line.number("percent", job.percent, 2).number("rows_per_second", job.rows_per_second, 0);
    line.number("eta_seconds", job.eta_seconds, 1).number("run_eta_seconds", job.run_eta_seconds, 1);
    line.text("server_phase", job.server_phase.empty() ? std::nullopt : std::optional<std::string>(job.server_phase));
    line.integer("log_pending", job.log_pending >= 0 ? std::optional<std::int64_t>(job.log_pending) : std::nullopt);
    line.text("throttled", job.throttled);
    line.text("started_at", job.started_at).text("updated_at", job.updated_at);
    line.boolean("pid_alive", job.pid_alive).boolean("resumable", job.resumable).integer("size_bytes", job.size_bytes);
    const auto known = [](std::int64_t value) { return value > 0 ? std::optional<std::int64_t>(value) : std::nullopt; };
    line.integer("workers", known(job.workers)).integer("chunk_rows", known(job.chunk_rows));
    line.integer("chunk_ms", job.chunk_rows > 0 ? std::optional<std::int64_t>(job.chunk_ms) : std::nullopt);
    line.integer("lag_bytes", job.lag_bytes).integer("lag_ms", job.lag_ms);
    line.text("doing", some(job.doing));
    line.text("blocked_by", some(job.blocked_by));
    line.integer("log_bytes", job.log_bytes).number("log_bytes_per_hour", job.log_bytes_per_hour, 0);
    line.text("warning", some(log_warning(job)));
    const auto known_bool = [&](const char* name, std::optional<bool> value) {
        line.raw(name, !value ? "null" : *value ? "true" : "false");
    };
    known_bool("expanded", job.expanded);
    known_bool("trial", job.trial);
    line.integer("conflicts", job.conflicts);
    line.text("change", job.change).text("strategy", job.strategy);
    line.text("old_table", some(job.old_table));
    line.text("message", job.message).integer("parent", job.parent);
    line.integer("group", job.group);
    if (!job.steps.empty()) {
        std::string list;
        for (const job_status::step& each : job.steps) {
            list += (list.empty() ? "" : ",") + each.json;
        }
        line.raw("steps", "[" + list + "]");
    }
    line.raw("revertible", job.revertible ? (*job.revertible ? "true" : "false") : "null");
    line.text("revert_until", job.revert_until).integer("unfit", job.unfit);
    line.raw("unfit_keys", keys_json(job.unfit_keys)).text("unfit_at", job.unfit_at);
    line.text("why_not_revertible", job.why_not_revertible);
    return line.str();
}

}  // namespace pgeist::report
