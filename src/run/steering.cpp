#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/job/hold.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/run/commands.hpp"

namespace pgeist::run {

namespace {

std::string status_query(bool one) {
    const std::string alive = job::held_condition("j.id");
    return fmt::format(R"sql(
        SELECT j.id, j.table_schema, j.table_name, j.phase, j.state, j.rows_done, j.rows_total, j.log_pending, j.throttled,
               coalesce(j.message, '') AS message, {} AS alive,
               to_char(j.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
               to_char(j.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated_at,
               j.blueprint IS NOT NULL AS has_blueprint,
               coalesce((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE n.nspname = 'pgeist_' || j.id AND c.relkind IN ('r', 'p')), 0)::bigint AS size_bytes,
               coalesce(pg_table_size(to_regclass(format('pgeist_%s.pgeist_log', j.id))), 0) AS log_bytes, j.log_bytes AS log_bytes_then,
               greatest(extract(epoch FROM clock_timestamp() - j.updated_at), 1) AS seconds_since,
               (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'pgeist_' || j.id AND c.relname = j.table_name AND c.relkind = 'r') AS kept
        FROM pgeist.jobs j {} ORDER BY j.id)sql",
                       alive, one ? "WHERE j.id = $1" : "");
}

job::status status_from(const pg::result& rows, int row) {
    job::status out;
    out.job = rows.integer(row, "id");
    const qualified_name table{rows.text(row, "table_schema"), rows.text(row, "table_name")};
    out.table = table.display();
    out.strategy = "shadow";
    out.phase = rows.text(row, "phase");
    out.state = rows.text(row, "state");
    out.rows_done = rows.integer(row, "rows_done");
    out.rows_total = rows.integer(row, "rows_total");
    if (out.rows_total > 0) {
        out.percent = std::min(100.0, 100.0 * static_cast<double>(out.rows_done) / static_cast<double>(out.rows_total));
    }
    out.log_pending = rows.integer(row, "log_pending");
    out.throttled = rows.optional_text(row, "throttled");
    out.message = rows.text(row, "message");
    out.started_at = rows.text(row, "started_at");
    out.updated_at = rows.text(row, "updated_at");
    out.pid_alive = rows.boolean(row, "alive");
    const bool ended = out.state == "done" || out.state == "cancelled";
    if (!out.pid_alive && !ended && out.state != "failed") {
        out.state = "interrupted";  // whatever the row says: nobody holds the job
    }
    out.resumable = !out.pid_alive && !ended && rows.boolean(row, "has_blueprint");
    out.size_bytes = rows.integer(row, "size_bytes");
    out.log_bytes = rows.integer(row, "log_bytes");
    if (!out.pid_alive && out.log_bytes > 0) {
        const auto grown = static_cast<double>(out.log_bytes - rows.integer(row, "log_bytes_then"));
        out.log_bytes_per_hour = std::max(0.0, grown) / rows.number(row, "seconds_since") * 3600;
    }
    if (out.phase == "done" || out.phase == "finish") {
        out.old_table = rows.text(row, "kept");
    }
    if (out.phase == "catch_up") {
        out.phase = "replay";
    }
    return out;
}

/// What to store for an action. `set` adds to what was set before; the running process reads all of it.
std::string control_update(const std::string& action) {
    if (action == "pause") {
        return "control || '{\"paused\": true}'";
    }
    if (action == "continue") {
        return "control || '{\"paused\": false}'";
    }
    if (action == "swap") {
        return "control || '{\"swap\": true}'";
    }
    if (action == "cancel") {
        return "control || '{\"cancel\": true}'";
    }
    throw usage_error(fmt::format("unknown action \"{}\"", action));
}

}  // namespace

awaitable<std::vector<job::status>> list_jobs(pg::connect_options options, std::optional<std::int64_t> job) {
    const auto session = co_await pg::connection::open(std::move(options), "pgeist status");
    std::vector<job::status> jobs;
    const bool present = co_await job::has_state_schema(*session);
    pg::result rows;
    if (present && job) {
        rows = co_await session->query(status_query(true), *job);
    } else if (present) {
        rows = co_await session->query(status_query(false));
    }
    for (int row = 0; row < rows.rows(); ++row) {
        jobs.push_back(status_from(rows, row));
    }
    if (job && jobs.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", *job),
                    "list the jobs with: pgeist status");
    }
    co_return jobs;
}

awaitable<void> send_control(pg::connect_options options, std::int64_t job, std::string action, named_values values) {
    if (action == "set") {
        throw usage_error("changing options of a running job is not available in this version",
                          fmt::format("stop it with SIGINT and go on with: pgeist resume {}", job));
    }
    const auto session = co_await pg::connection::open(std::move(options), "pgeist " + action);
    const bool present = co_await job::has_state_schema(*session);
    pg::result row;
    if (present) {
        row = co_await session->query("SELECT " + job::held_condition("j.id") + " FROM pgeist.jobs j WHERE j.id = $1",
                                      job);
    }
    if (row.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", job),
                    "list the jobs with: pgeist status");
    }
    if (!row.boolean(0, 0)) {
        throw error(exit_code::refused, fmt::format("nobody runs job {}", job),
                    fmt::format("go on with it: pgeist resume {0}, or remove it: pgeist cleanup {0}", job));
    }
    if (action == "cancel") {
        const job::record now = co_await job::load(*session, job);
        if (now.swapped) {
            throw error(exit_code::refused,
                        fmt::format("job {} has swapped the tables already: it cannot be cancelled", job),
                        "it only finishes its work now");
        }
    }
    co_await session->query("UPDATE pgeist.jobs SET control = " + control_update(action) + " WHERE id = $1", job);
    co_await job::add_event(*session, job, action, session->user());
    static_cast<void>(values);
}

}  // namespace pgeist::run
