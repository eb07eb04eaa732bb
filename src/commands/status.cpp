#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/steps/store.hpp"
#include "pgeist/tasks/registry.hpp"

namespace pgeist::commands {

namespace {

std::string status_query(bool one) {
    const std::string alive = job::held_condition("j.id");
    return fmt::format(R"sql(
        SELECT j.id, coalesce(to_jsonb(j) ->> 'kind', 'copy') AS kind, j.table_schema, j.table_name, j.phase, j.state, j.rows_done, j.rows_total, j.log_pending, j.throttled,
               coalesce(j.message, '') AS message,
               coalesce(to_jsonb(j) -> 'figures', '{{}}') AS figures, -- a job of an earlier version has none
               j.change, {} AS alive,
               to_char(j.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at,
               to_char(j.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS updated_at,
               j.blueprint IS NOT NULL AS has_blueprint, coalesce(to_jsonb(j) ->> 'parent', (SELECT to_jsonb(p) ->> 'parent' FROM pgeist.jobs p
                   WHERE p.id = (to_jsonb(j) ->> 'group_id')::bigint)) AS parent, to_jsonb(j) ->> 'group_id' AS group_id,
               coalesce((SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE n.nspname IN ('pgeist_' || j.id, 'pgeist_' || j.id || '_back', 'pgeist_' || j.id || '_again')
                           AND c.relkind IN ('r', 'p')), 0)::bigint AS size_bytes,
               (SELECT sum(coalesce(pg_table_size(to_regclass(format('pgeist_%s%s.pgeist_log', j.id, s.suffix))), 0))
                  FROM (VALUES (''), ('_back'), ('_again')) AS s(suffix))::bigint AS log_bytes,
               coalesce(to_jsonb(j) ->> 'kind', '') = ANY ('{{way_back,group_way_back}}') AS goes_back,
               (SELECT coalesce(sum((to_jsonb(m) -> 'revert' ->> 'unfit')::bigint), 0) FROM pgeist.jobs m
                 WHERE to_jsonb(m) ->> 'group_id' = to_jsonb(j) ->> 'group_id')::bigint AS unfit_in_group,
               to_jsonb(j) -> 'revert' ->> 'why_not' AS why_not,
               to_char((to_jsonb(j) -> 'revert' ->> 'until')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS until,
               (to_jsonb(j) -> 'revert' ->> 'unfit')::bigint AS unfit,
               coalesce(to_jsonb(j) -> 'revert' ->> 'unfit_keys', '[]') AS unfit_keys,
               to_jsonb(j) -> 'revert' ->> 'unfit_at' AS unfit_at,
               CASE (to_jsonb(j) -> 'way_back' ->> 'leg')::int % 2 WHEN 1 THEN 'back' WHEN 0 THEN 'again' END AS way,
               coalesce((to_jsonb(j) ->> 'log_bytes')::bigint, 0) AS log_bytes_then,
               greatest(extract(epoch FROM clock_timestamp() - j.updated_at), 1) AS seconds_since,
               (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'pgeist_' || j.id AND c.relname = j.table_name AND c.relkind = 'r') AS kept,
               CASE WHEN to_jsonb(j) ->> 'kind' = 'expand' THEN j.state = 'done' AND coalesce(j.blueprint ->> 'contracted', '') <> 'true' END AS expanded,
               CASE WHEN to_jsonb(j) ->> 'kind' = 'expand' THEN coalesce(j.blueprint ->> 'trial', '') = 'true' END AS trial,
               CASE WHEN to_jsonb(j) ->> 'kind' = 'expand'
                    THEN coalesce(pg_sequence_last_value(to_regclass(format('pgeist_%s.pgeist_conflicts', j.id))), 0) END AS conflicts
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
    into.server_phase = words("server_phase");
    if (!into.server_phase.empty()) {
        into.percent = number("percent");
        into.eta_seconds = number("eta_seconds");
    }
    into.run_eta_seconds = number("run_eta_seconds");
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

/// What the job's kind of work says of it; one that a later version has made is shown as it is stored.
void read_task(const pg::result& rows, int row, report::job_status& into, bool& in_effect) {
    into.strategy = rows.text(row, "kind");
    into.phase = rows.text(row, "phase");
    try {
        const task::kind& kind = tasks::kind_named(into.strategy, into.job);
        const task::phase& reached = kind.phase_named(into.phase);
        in_effect = reached.in_effect;
        into.phase = reached.told.name;
        into.strategy = kind.labels().strategy;
        into.change = kind.describe(rows.text(row, "change"));
    } catch (const error&) {
        into.change = rows.text(row, "change");
    }
}

/// What is known of the swap's undoing.
void read_way_back(const pg::result& rows, int row, report::job_status& into) {
    into.why_not_revertible = rows.optional_text(row, "why_not");
    into.revert_until = rows.optional_text(row, "until");
    into.unfit_at = rows.optional_text(row, "unfit_at");
    if (!rows.is_null(row, rows.column("unfit"))) {
        into.unfit = rows.integer(row, "unfit");
        boost::json::error_code problem;
        const boost::json::value keys = json_from(rows.text(row, "unfit_keys"), problem);
        into.unfit_keys.emplace();
        if (!problem && keys.is_array()) {
            for (const boost::json::value& each : keys.as_array()) {
                into.unfit_keys->emplace_back(each.is_string() ? std::string(each.as_string()) : std::string());
            }
        }
    }
    // Those that were exchanged together go back together.
    const bool all_fit = into.unfit.value_or(0) == 0 && rows.integer(row, "unfit_in_group") == 0;
    into.revertible = !into.why_not_revertible && all_fit;
    into.way = rows.text(row, "way");
    into.resumable = !into.pid_alive && !into.why_not_revertible && into.revert_until.has_value();
}

report::job_status status_from(const pg::result& rows, int row) {
    report::job_status out;
    bool in_effect = false;
    read_task(rows, row, out, in_effect);
    out.job = rows.integer(row, "id");
    const qualified_name table{rows.text(row, "table_schema"), rows.text(row, "table_name")};
    out.table = table.name.empty() ? "" : table.display();
    if (const auto parent = rows.optional_text(row, "parent")) {
        out.parent = std::stoll(*parent);
    }
    if (const auto group = rows.optional_text(row, "group_id")) {
        out.group = std::stoll(*group);
    }
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
    if (!rows.is_null(row, rows.column("expanded"))) {
        out.expanded = rows.boolean(row, "expanded");
        out.trial = rows.boolean(row, "trial");
        out.conflicts = rows.integer(row, "conflicts");
    }
    if (out.state == "done" && out.phase == "done") {
        out.percent = 100;
    }
    const bool ended = out.state == "done" || out.state == "cancelled" || out.state == "reverted";
    if (!out.pid_alive && !ended && out.state != "failed") {
        out.state = "interrupted";  // whatever the row says: nobody holds the job
    }
    out.resumable = !out.pid_alive && !ended && rows.boolean(row, "has_blueprint");
    if (rows.boolean(row, "goes_back")) {
        read_way_back(rows, row, out);
    }
    out.size_bytes = rows.integer(row, "size_bytes");
    out.log_bytes = rows.integer(row, "log_bytes");
    if (!out.pid_alive && out.log_bytes > 0) {
        const auto grown = static_cast<double>(out.log_bytes - rows.integer(row, "log_bytes_then"));
        out.log_bytes_per_hour = std::max(0.0, grown) / rows.number(row, "seconds_since") * 3600;
    }
    if (in_effect) {
        out.old_table = rows.text(row, "kept");
    }
    return out;
}

}  // namespace

namespace {

/// The steps of a job; none where an earlier version's state has no table of them.
awaitable<void> read_steps(pg::connection& session, std::int64_t job, std::vector<report::job_status::step>& into) {
    const pg::result there = co_await session.query("SELECT to_regclass('pgeist.steps') IS NOT NULL");
    if (!there.boolean(0, 0)) {
        co_return;
    }
    const auto all = co_await steps::load_steps(session, job);
    for (const steps::stored_step& each : all) {
        report::job_status::step one;
        one.number = each.what.number;
        one.statement = each.what.statement;
        one.method = steps::word_of(each.what.how);
        one.state = steps::word_of(each.state);
        one.message = each.message;
        one.json = steps::describe_json(each.what, steps::word_of(each.state));
        into.push_back(std::move(one));
    }
}

awaitable<void> read_jobs(pg::connection& session, std::optional<std::int64_t> job, pg::result& into,
                          std::vector<report::job_status::step>& steps) {
    const bool present = co_await job::has_readable_jobs(session);
    if (present && job) {
        into = co_await session.query(status_query(true), *job);
        co_await read_steps(session, *job, steps);
    } else if (present) {
        into = co_await session.query(status_query(false));
    }
}

}  // namespace

namespace {

/// Of a way back that nobody keeps in step: the application goes on writing. No more than a million are counted.
awaitable<void> count_waiting(pg::connection& session, report::job_status& job) {
    const std::string sql = fmt::format(
        "SELECT count(*) FROM (SELECT FROM pgeist_{}_{}.pgeist_log LIMIT 1000000) AS log", job.job, job.way);
    try {
        const pg::result row = co_await session.query(sql);
        job.log_pending = row.integer(0, 0);
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
        job.log_pending = -1;  // not ours to look at
    }
}

}  // namespace

awaitable<std::vector<report::job_status>> list_jobs(pg::connect_options options, std::optional<std::int64_t> job) {
    const auto session = co_await pg::connection::open(std::move(options), "pgeist status");
    std::vector<report::job_status> jobs;
    pg::result rows;
    std::vector<report::job_status::step> steps;
    const auto read = [&] { return read_jobs(*session, job, rows, steps); };
    co_await pg::rolled_back(*session, read);
    for (int row = 0; row < rows.rows(); ++row) {
        jobs.push_back(status_from(rows, row));
    }
    if (!jobs.empty()) {
        jobs.front().steps = std::move(steps);
    }
    for (report::job_status& each : jobs) {
        const auto counting = [&] { return count_waiting(*session, each); };
        if (each.revertible && !each.why_not_revertible && !each.pid_alive) {
            co_await pg::rolled_back(*session, counting);
        }
    }
    if (job && jobs.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", *job),
                    "list the jobs with: pgeist status");
    }
    co_return jobs;
}

}  // namespace pgeist::commands
