#include "pgeist/job/record.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/process.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "rows.hpp"

namespace pgeist::job {

awaitable<tenure> create(pg::connection& session, beginning what) {
    const pg::result created = co_await session.query(
        "INSERT INTO pgeist.jobs (kind, table_schema, table_name, table_oid, change, settings, phase, process) "
        "VALUES ($1, $2, $3, $4::bigint::oid, $5::jsonb, $6::jsonb, $7, nullif($8, '')) RETURNING id, incarnation",
        what.kind, what.table.schema, what.table.name, what.table_oid, what.change, run::to_json(what.settings),
        what.phase, this_process());
    const tenure first{created.integer(0, 0), created.integer(0, 1)};
    co_return first;
}

namespace {

/// The row of a job that is to be there.
awaitable<pg::result> read_row(pg::connection& session, std::int64_t job, std::string columns) {
    const bool present = co_await has_state_schema(session);
    pg::result found;
    try {
        if (present) {
            found = co_await session.query(fmt::format("SELECT {} FROM pgeist.jobs j WHERE id = $1", columns), job);
        }
    } catch (const pg::sql_error& failure) {
        if (!is_state_gone(failure)) {
            throw;
        }
    }
    if (found.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {} in this database", job),
                    "list the jobs with: pgeist status");
    }
    co_return found;
}

constexpr const char* kind_column = "coalesce(to_jsonb(j) ->> 'kind', 'copy') AS kind";  // an early version's has none

}  // namespace

awaitable<std::string> kind_of(pg::connection& session, std::int64_t job) {
    const pg::result found = co_await read_row(session, job, kind_column);
    co_return found.text(0, 0);
}

awaitable<record> load(pg::connection& session, std::int64_t job) {
    const std::string columns = fmt::format(
        "id, {}, table_schema, table_name, table_oid::bigint AS table_oid, change, settings, blueprint, "
        "to_jsonb(j) ->> 'way_back' AS way_back, to_jsonb(j) ->> 'revert' AS revert, phase, state, "
        "token, incarnation, control, coalesce((control ->> 'obeyed')::bigint, 0) AS obeyed, "
        "coalesce((control #>> '{{compared,number}}')::bigint, 0) AS compared",
        kind_column);
    const pg::result found = co_await read_row(session, job, columns);
    record stored;
    stored.id = found.integer(0, "id");
    stored.table.schema = found.text(0, "table_schema");
    stored.table.name = found.text(0, "table_name");
    stored.table_oid = found.integer(0, "table_oid");
    stored.kind = found.text(0, "kind");
    stored.change = found.text(0, "change");
    stored.settings = run::settings_from_json(found.text(0, "settings"));
    stored.plan = found.optional_text(0, "blueprint");
    stored.revert = found.optional_text(0, "revert");
    stored.way_back = found.optional_text(0, "way_back");
    stored.phase = found.text(0, "phase");
    stored.state = found.text(0, "state");
    stored.token = found.text(0, "token");
    stored.incarnation = found.integer(0, "incarnation");
    stored.asked = parse_control(found.text(0, "control"));
    stored.obeyed = found.integer(0, "obeyed");
    stored.compared = found.integer(0, "compared");
    co_return stored;
}

awaitable<void> save_plan(pg::connection& session, std::int64_t job, std::string plan, std::int64_t rows) {
    co_await session.query("UPDATE pgeist.jobs SET blueprint = $2::jsonb, rows_total = $3 WHERE id = $1", job, plan,
                           rows);
}

awaitable<void> change_plan(pg::connection& session, std::int64_t job, std::string plan) {
    co_await session.query("UPDATE pgeist.jobs SET blueprint = $2::jsonb WHERE id = $1", job, plan);
}

awaitable<std::int64_t> next_number(pg::connection& session) {
    const bool present = co_await has_state_schema(session);
    std::string sql = "SELECT 1";
    if (present) {
        sql = "SELECT coalesce(max(id), 0) + 1 FROM pgeist.jobs";
    }
    const pg::result row = co_await session.query(std::move(sql));
    co_return row.integer(0, 0);
}

std::string restored_condition(const std::string& alias) {
    return fmt::format(
        "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = {0}.blueprint ->> 'job_schema' AND c.relname = {0}.table_name "
        "AND c.oid::bigint <> ({0}.blueprint ->> CASE WHEN {0}.phase IN ('finish', 'done') THEN 'source_oid' "
        "ELSE 'shadow_oid' END)::bigint AND (to_jsonb({0}) ->> 'way_back' IS NULL "
        "OR c.oid::text NOT IN ({0}.blueprint ->> 'source_oid', {0}.blueprint ->> 'shadow_oid')))",
        alias);
}

awaitable<void> save_phase(pg::connection& session, tenure mine, std::string phase) {
    const pg::result saved = co_await session.query(
        "UPDATE pgeist.jobs SET phase = $3, updated_at = clock_timestamp() WHERE id = $1 AND incarnation = $2",
        mine.job, mine.incarnation, phase);
    require_ours(mine, saved);
}

awaitable<void> remove(pg::connection& session, std::int64_t job) {
    co_await session.query("DELETE FROM pgeist.jobs WHERE id = $1", job);
}

awaitable<void> save_state(pg::connection& session, tenure mine, std::string state, std::string message) {
    pg::parameters values = values_of(mine.job, mine.incarnation, state, message);
    co_await write(session,
                   "UPDATE pgeist.jobs j SET state = $3, message = nullif($4, ''), throttled = NULL, updated_at = "
                   "clock_timestamp(), finished_at = CASE WHEN $3 = 'running' THEN NULL ELSE clock_timestamp() END "
                   "FROM pgeist.jobs l WHERE l.id = $1 AND l.incarnation = $2 AND (j.id = l.id OR j.group_id = l.id)",
                   std::move(values));
}

awaitable<void> save_settings(pg::connection& session, tenure mine, run::settings now) {
    const pg::result saved =
        co_await session.query("UPDATE pgeist.jobs SET settings = $3::jsonb WHERE id = $1 AND incarnation = $2",
                               mine.job, mine.incarnation, run::to_json(now));
    require_ours(mine, saved);
}

awaitable<void> save_way_back(pg::connection& session, tenure mine, std::optional<std::string> plan) {
    const pg::result saved =
        co_await session.query("UPDATE pgeist.jobs SET way_back = $3::jsonb WHERE id = $1 AND incarnation = $2",
                               mine.job, mine.incarnation, plan);
    require_ours(mine, saved);
}

awaitable<void> save_revert(pg::connection& session, tenure mine, std::string members) {
    pg::parameters values = values_of(mine.job, mine.incarnation, members);
    const pg::result saved = co_await write(
        session,
        "UPDATE pgeist.jobs SET revert = coalesce(revert, '{}') || $3::jsonb WHERE id = $1 AND incarnation = $2",
        std::move(values));
    require_ours(mine, saved);
}

awaitable<void> hand_over(pg::connection& session, tenure mine, std::string kind, std::string phase) {
    const pg::result saved = co_await session.query(
        "UPDATE pgeist.jobs SET kind = $3, phase = $4, updated_at = clock_timestamp() WHERE id = $1 AND incarnation = "
        "$2",
        mine.job, mine.incarnation, kind, phase);
    require_ours(mine, saved);
}

awaitable<void> save_result(pg::connection& session, tenure mine, std::int64_t table_oid, std::string fingerprint) {
    const pg::result saved = co_await session.query(
        "UPDATE pgeist.jobs SET result_oid = $3::bigint::oid, result_fingerprint = $4 WHERE id = $1 AND incarnation = "
        "$2",
        mine.job, mine.incarnation, table_oid, fingerprint);
    require_ours(mine, saved);
}

awaitable<std::optional<std::int64_t>> find_done(pg::connection& session, std::string change, std::int64_t table_oid,
                                                 std::string fingerprint) {
    std::optional<std::int64_t> job;
    const bool present = co_await has_state_schema(session);
    if (!present) {
        co_return job;
    }
    // The table's name may be written with or without its schema; its oid says which it is.
    const pg::result found = co_await session.query(
        "SELECT id FROM pgeist.jobs WHERE state = 'done' AND result_oid = $1::bigint::oid AND result_fingerprint = $2 "
        "AND change - 'table' - '{key_index,copy_order}'::text[] = $3::jsonb - 'table' - "
        "'{key_index,copy_order}'::text[] ORDER BY id DESC LIMIT 1",
        table_oid, fingerprint, change);
    if (!found.empty()) {
        job = found.integer(0, 0);
    }
    co_return job;
}

}  // namespace pgeist::job
