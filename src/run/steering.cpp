#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/run/commands.hpp"
#include "pgeist/run/disconnected_runs.hpp"
#include "requests.hpp"

namespace pgeist::run {

namespace {

std::string status_query(bool one) {
    const std::string alive = job::held_condition("j.id");
    return fmt::format(R"sql(
        SELECT j.id, j.table_schema, j.table_name, j.phase, j.state, j.rows_done, j.rows_total, j.log_pending, j.throttled,
               coalesce(j.message, '') AS message,
               coalesce(to_jsonb(j) -> 'figures', '{{}}') AS figures, -- a job of an earlier version has none
               j.change, {} AS alive,
               to_char(j.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
               to_char(j.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated_at,
               j.blueprint IS NOT NULL AS has_blueprint,
               coalesce((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE n.nspname = 'pgeist_' || j.id AND c.relkind IN ('r', 'p')), 0)::bigint AS size_bytes,
               coalesce(pg_table_size(to_regclass(format('pgeist_%s.pgeist_log', j.id))), 0) AS log_bytes,
               coalesce((to_jsonb(j) ->> 'log_bytes')::bigint, 0) AS log_bytes_then,
               greatest(extract(epoch FROM clock_timestamp() - j.updated_at), 1) AS seconds_since,
               (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'pgeist_' || j.id AND c.relname = j.table_name AND c.relkind = 'r') AS kept
        FROM ONLY pgeist.jobs j {} ORDER BY j.id)sql",
                       alive, one ? "WHERE j.id = $1" : "");
}

/// What the run noted besides its counters; it says nothing when nobody runs the job any more.
void read_figures(const std::string& text, report::job_status& into) {
    boost::json::error_code problem;
    const boost::json::value parsed = json_from(text, problem);
    if (problem || !parsed.is_object() || !into.pid_alive) {
        return;
    }
    const boost::json::object& figures = parsed.as_object();
    const auto number = [&](const char* name) -> std::optional<double> {
        const auto* value = figures.if_contains(name);
        return value != nullptr && value->is_number() ? std::optional<double>(value->to_number<double>())
                                                      : std::nullopt;
    };
    const auto words = [&](const char* name) {
        const auto* value = figures.if_contains(name);
        return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
    };
    into.rows_per_second = number("rows_per_second");
    if (into.rows_per_second > 0.0 && into.rows_total > into.rows_done) {
        into.eta_seconds = static_cast<double>(into.rows_total - into.rows_done) / *into.rows_per_second;
    }
    into.workers = static_cast<int>(number("workers").value_or(0));
    into.chunk_rows = static_cast<std::int64_t>(number("chunk_rows").value_or(0));
    into.chunk_ms = static_cast<std::int64_t>(number("chunk_ms").value_or(0));
    if (const auto bytes = number("lag_bytes")) {
        into.lag_bytes = static_cast<std::int64_t>(*bytes);
    }
    if (const auto lag = number("lag_ms")) {
        into.lag_ms = static_cast<std::int64_t>(*lag);
    }
    into.doing = words("doing");
    into.blocked_by = words("blocked_by");
}

report::job_status status_from(const pg::result& rows, int row) {
    report::job_status out;
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
    read_figures(rows.text(row, "figures"), out);
    out.change = plan::change_request_from_json(rows.text(row, "change")).describe();
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

/// How long a run may take to obey before the user is told that it has not.
constexpr auto patience = std::chrono::seconds(10);
constexpr auto poll = std::chrono::milliseconds(50);

/// Why nobody answers.
awaitable<error> nobody_runs(pg::connection& session, std::int64_t job) {
    const std::vector<disconnected_run> absent = co_await find_disconnected(session, job);
    std::string what = fmt::format("nobody runs job {}", job);
    std::string next = fmt::format("go on with it: pgeist resume {0}, or remove it: pgeist cleanup {0}", job);
    if (!absent.empty()) {
        what = fmt::format("the run of job {} was last heard of {} ago and may be reconnecting", job,
                           format_duration(absent.front().silent));
        next = fmt::format("ask again when pgeist status {0} shows it at work; if it is gone: pgeist resume {0}", job);
    }
    error reason(exit_code::refused, what, next);
    co_return reason;
}

/// Nothing when the job was cancelled and cleaned up, perhaps with all that was left of pgeist.
awaitable<void> read_last_answers(pg::connection& session, std::int64_t job, std::optional<job::answers>& into) {
    const bool present = co_await job::guard_state(session);
    if (present) {
        into = co_await job::read_answers(session, job);  // both answers of one moment
    }
}

/// Waits until the run has obeyed the request of that number. @returns false when it has not for a long time
awaitable<bool> wait_until_obeyed(pg::connection& session, std::int64_t job, std::int64_t number) {
    const auto until = deadline::in(patience);
    while (!until.passed()) {
        std::optional<job::answers> last;
        const auto reading = [&] { return read_last_answers(session, job, last); };
        co_await pg::transaction(session, pg::isolation::read_committed, reading);
        require_not_forgotten(last, job, number);
        if (!last || last->obeyed >= number) {
            co_return true;
        }
        co_await pg::sleep_for(poll);
    }
    co_return false;
}

awaitable<std::int64_t> steer_each(pg::connection& session, std::int64_t job, const std::string& action,
                                   const named_values& values) {
    std::int64_t number = 0;
    if (action != "set") {
        number = co_await job::steer(session, job, action, std::nullopt, std::nullopt);
    }
    for (const auto& [name, value] : values) {
        number = co_await job::steer(session, job, action, name, value);
    }
    co_return number;
}

template <class Body>
awaitable<void> keep_number(const Body& requests, std::int64_t& into) {
    into = co_await requests();
}

/// Hands in what is asked for: one request, or with `set` one a value, all or none. @returns the last one's number
awaitable<std::int64_t> hand_in(pg::connection& session, std::int64_t job, const std::string& action,
                                const named_values& values) {
    const auto requests = [&] { return steer_each(session, job, action, values); };
    try {
        std::int64_t number = 0;
        const auto keeping = [&] { return keep_number(requests, number); };
        co_await job::guarded(session, keeping);
        co_return number;
    } catch (const pg::sql_error& problem) {
        if (problem.is(pg::sqlstate::untranslatable_character)) {
            throw error(exit_code::refused, problem.diag().message, problem.diag().hint);
        }
        throw;
    }
}

}  // namespace

void require_not_forgotten(const std::optional<job::answers>& now, std::int64_t job, std::int64_t number) {
    if (now && now->forgotten >= number) {
        throw error(exit_code::refused, fmt::format("job {} was taken on by another process before it had obeyed", job),
                    "what it was asked before is forgotten: ask again");
    }
}

namespace {

awaitable<void> read_jobs(pg::connection& session, std::optional<std::int64_t> job, pg::result& into) {
    const bool present = co_await job::has_readable_jobs(session);
    if (present && job) {
        into = co_await session.query(status_query(true), *job);
    } else if (present) {
        into = co_await session.query(status_query(false));
    }
}

}  // namespace

awaitable<std::vector<report::job_status>> list_jobs(pg::connect_options options, std::optional<std::int64_t> job) {
    const auto session = co_await pg::connection::open(std::move(options), "pgeist status");
    std::vector<report::job_status> jobs;
    pg::result rows;
    const auto read = [&] { return read_jobs(*session, job, rows); };
    co_await pg::rolled_back(*session, read);
    for (int row = 0; row < rows.rows(); ++row) {
        jobs.push_back(status_from(rows, row));
    }
    if (job && jobs.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", *job),
                    "list the jobs with: pgeist status");
    }
    co_return jobs;
}

namespace {

awaitable<void> require_running(pg::connection& session, std::int64_t job) {
    const bool present = co_await job::guard_state(session);
    pg::result row;
    if (present) {
        row = co_await session.query("SELECT " + job::held_condition("j.id") + " FROM pgeist.jobs j WHERE j.id = $1",
                                     job);
    }
    if (row.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", job),
                    "list the jobs with: pgeist status");
    }
    if (!row.boolean(0, 0)) {
        const error reason = co_await nobody_runs(session, job);
        throw reason;
    }
}

}  // namespace

awaitable<bool> send_control(pg::connect_options options, std::int64_t job, std::string action, named_values values) {
    const auto session = co_await pg::connection::open(std::move(options), "pgeist " + action);
    const auto looking = [&] { return require_running(*session, job); };
    co_await pg::transaction(*session, pg::isolation::read_committed, looking);
    co_await job::bring_state_up_to_date(*session);
    const std::int64_t number = co_await hand_in(*session, job, action, values);
    const bool obeyed = co_await wait_until_obeyed(*session, job, number);
    co_return obeyed;
}

}  // namespace pgeist::run
