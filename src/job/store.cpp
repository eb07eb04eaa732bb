#include "pgeist/job/store.hpp"

#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/walk/key_sql.hpp"

namespace pgeist::job {

namespace {

std::optional<std::string> array_of(const walk::bound& bound) {
    if (!bound) {
        return std::nullopt;
    }
    return pg::array_literal(*bound);
}

control_request parse_control(const std::string& text) {
    control_request request;
    const boost::json::value parsed = boost::json::parse(text);
    const boost::json::object& object = parsed.as_object();
    const auto flag = [&](const char* name) {
        const auto* value = object.if_contains(name);
        return value != nullptr && value->is_bool() && value->as_bool();
    };
    request.paused = flag("paused");
    request.swap = flag("swap");
    request.cancel = flag("cancel");
    const auto words = [](const boost::json::object& from, const char* name) {
        const auto* value = from.if_contains(name);
        return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
    };
    const auto number = [](const boost::json::object& from) {
        const auto* value = from.if_contains("number");
        return value != nullptr && value->is_number() ? value->to_number<std::int64_t>() : 0;
    };
    request.by = words(object, "by");
    request.number = number(object);
    if (const auto* value = object.if_contains("verify"); value != nullptr && value->is_number()) {
        request.verify = value->to_number<std::int64_t>();
    }
    if (const auto* values = object.if_contains("set"); values != nullptr && values->is_array()) {
        for (const auto& each : values->as_array()) {
            const boost::json::object& one = each.as_object();
            request.values.push_back(
                control_request::change{number(one), words(one, "name"), words(one, "value"), words(one, "by")});
        }
    }
    return request;
}

control_request control_from(const pg::result& row, std::int64_t job) {
    if (row.empty()) {
        throw error(exit_code::failed, fmt::format("job {} has been removed from schema pgeist by someone else", job),
                    "the source table is untouched; remove what is left with: pgeist cleanup --all");
    }
    return parse_control(row.text(0, 0));
}

walk::bound bound_from(const pg::result& rows, int row, const char* name) {
    const int column = rows.column(name);
    if (rows.is_null(row, column)) {
        return std::nullopt;
    }
    return rows.array(row, column);
}

}  // namespace

awaitable<bool> has_state_schema(pg::connection& session) {
    const pg::result found = co_await session.query("SELECT to_regclass('pgeist.jobs') IS NOT NULL");
    co_return found.boolean(0, 0);
}

namespace {

/// Adds what earlier versions did not know.
awaitable<void> upgrade_state_schema(pg::connection& session) {
    const pg::result old = co_await session.query(
        "SELECT NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'pgeist.jobs'::regclass AND attname = "
        "'incarnation')");
    if (old.boolean(0, 0)) {
        co_await session.execute(
            "ALTER TABLE pgeist.jobs ADD COLUMN IF NOT EXISTS token uuid NOT NULL DEFAULT gen_random_uuid(), "
            "ADD COLUMN IF NOT EXISTS incarnation bigint NOT NULL DEFAULT 1, "
            "ADD COLUMN IF NOT EXISTS log_bytes bigint NOT NULL DEFAULT 0, ADD UNIQUE (id, incarnation)");
    }
}

/// What an earlier version did not make yet: views and functions beside the tables.
awaitable<void> ensure_state_tools(pg::connection& session) {
    const pg::result found =
        co_await session.query("SELECT to_regprocedure('pgeist.steer(bigint, text, text, text)') IS NOT NULL");
    const bool present = found.boolean(0, 0);
    if (!present) {
        co_await session.execute(std::string(templates::state_tools));
    }
}

}  // namespace

awaitable<void> ensure_state_schema(pg::connection& session) {
    const bool present = co_await has_state_schema(session);
    if (present) {
        co_await upgrade_state_schema(session);
        co_await ensure_state_tools(session);
        co_return;
    }
    bool raced = false;
    co_await session.execute("SAVEPOINT pgeist_state");
    try {
        co_await session.execute(std::string(templates::state));
        co_await session.execute(std::string(templates::state_tools));
    } catch (const pg::sql_error& failure) {
        raced = failure.is(pg::sqlstate::duplicate_schema) || failure.is(pg::sqlstate::unique_violation);
        if (!raced) {
            throw;
        }
    }
    if (raced) {
        co_await session.execute("ROLLBACK TO SAVEPOINT pgeist_state");
    }
}

awaitable<std::int64_t> create(pg::connection& session, qualified_name table, std::int64_t table_oid,
                               plan::change_request change, run::settings settings) {
    const pg::result created = co_await session.query(
        "INSERT INTO pgeist.jobs (table_schema, table_name, table_oid, change, settings) "
        "VALUES ($1, $2, $3::bigint::oid, $4::jsonb, $5::jsonb) RETURNING id",
        table.schema, table.name, table_oid, plan::to_json(change), run::to_json(settings));
    co_return created.integer(0, 0);
}

namespace {

/// The whole state schema went with the last job: somebody cleaned up just now.
bool is_state_gone(const pg::sql_error& failure) {
    return failure.is(pg::sqlstate::undefined_table) || failure.is(pg::sqlstate::invalid_schema_name);
}

}  // namespace

awaitable<record> load(pg::connection& session, std::int64_t job) {
    const bool present = co_await has_state_schema(session);
    pg::result found;
    try {
        if (present) {
            found = co_await session.query(
                "SELECT id, table_schema, table_name, table_oid::bigint AS table_oid, change, settings, blueprint, "
                "phase, state, token, incarnation FROM pgeist.jobs WHERE id = $1",
                job);
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
    record stored;
    stored.id = found.integer(0, "id");
    stored.table.schema = found.text(0, "table_schema");
    stored.table.name = found.text(0, "table_name");
    stored.table_oid = found.integer(0, "table_oid");
    stored.change = plan::change_request_from_json(found.text(0, "change"));
    stored.settings = run::settings_from_json(found.text(0, "settings"));
    if (const auto json = found.optional_text(0, "blueprint")) {
        stored.blueprint = plan::blueprint_from_json(*json);
    }
    stored.reached = phase_from_name(found.text(0, "phase"));
    stored.state = found.text(0, "state");
    stored.swapped = stored.reached >= phase::finish;
    stored.token = found.text(0, "token");
    stored.incarnation = found.integer(0, "incarnation");
    co_return stored;
}

awaitable<void> save_blueprint(pg::connection& session, std::int64_t job, const plan::blueprint& plan) {
    co_await session.query("UPDATE pgeist.jobs SET blueprint = $2::jsonb, rows_total = $3 WHERE id = $1", job,
                           plan::to_json(plan), plan.estimated_rows);
}

namespace {

[[noreturn]] void throw_not_ours(std::int64_t job) {
    throw error(exit_code::already_running,
                fmt::format("job {} was taken on, or removed, by someone else meanwhile", job),
                "nothing was done to it since; look with: pgeist status");
}

}  // namespace

awaitable<void> require_tenure(pg::connection& session, tenure mine) {
    bool ours = false;
    try {
        const pg::result row = co_await session.query(
            "SELECT FROM pgeist.jobs WHERE id = $1 AND incarnation = $2 FOR KEY SHARE", mine.job, mine.incarnation);
        ours = !row.empty();
    } catch (const pg::sql_error& failure) {
        // Under REPEATABLE READ: the number was counted up, or the row deleted, after the snapshot.
        if (!failure.is(pg::sqlstate::serialization_failure) && !is_state_gone(failure)) {
            throw;
        }
    }
    if (!ours) {
        throw_not_ours(mine.job);
    }
}

awaitable<tenure> begin_tenure(pg::connection& session, std::int64_t job) {
    pg::result row;
    try {
        row = co_await session.query(
            "UPDATE pgeist.jobs SET incarnation = incarnation + 1, updated_at = clock_timestamp() WHERE id = $1 "
            "RETURNING incarnation",
            job);
    } catch (const pg::sql_error& failure) {
        if (!is_state_gone(failure)) {
            throw;
        }
    }
    if (row.empty()) {
        throw_not_ours(job);
    }
    tenure mine{job, row.integer(0, 0)};
    co_return mine;
}

awaitable<void> save_phase(pg::connection& session, tenure mine, phase reached) {
    const pg::result saved = co_await session.query(
        "UPDATE pgeist.jobs SET phase = $3, updated_at = clock_timestamp() WHERE id = $1 AND incarnation = $2",
        mine.job, mine.incarnation, std::string(name_of(reached)));
    if (saved.affected() == 0) {
        throw_not_ours(mine.job);
    }
}

awaitable<void> save_state(pg::connection& session, tenure mine, std::string state, std::string message) {
    co_await session.query(
        "UPDATE pgeist.jobs SET state = $3, message = nullif($4, ''), throttled = NULL, updated_at = "
        "clock_timestamp(), "
        "finished_at = CASE WHEN $3 = 'running' THEN NULL ELSE clock_timestamp() END WHERE id = $1 AND incarnation = "
        "$2",
        mine.job, mine.incarnation, state, message);
}

awaitable<bool> has_ended(pg::connection& session, std::string xid, deadline until) {
    try {
        const pg::result status = co_await session.query(until, "SELECT pg_xact_status($1::text::xid8)", xid);
        co_return status.text(0, 0) != "in progress";
    } catch (const pg::sql_error& failure) {
        if (!failure.is("22023")) {  // "transaction ID is in the future": a crash has undone even its number
            throw;
        }
    }
    co_return true;
}

awaitable<void> add_event(pg::connection& session, std::int64_t job, std::string event, std::string detail,
                          deadline until) {
    co_await session.query(until, "INSERT INTO pgeist.events (job, event, detail) VALUES ($1, $2, nullif($3, ''))", job,
                           event, detail);
}

awaitable<void> save_source_file(pg::connection& session, std::int64_t job, std::int64_t source_oid) {
    co_await session.query(
        "UPDATE pgeist.jobs SET source_filenode = pg_relation_filenode($2::bigint::oid)::bigint WHERE id = $1", job,
        source_oid);
}

awaitable<bool> source_rewritten_since(pg::connection& session, std::int64_t job, std::int64_t source_oid) {
    const pg::result row = co_await session.query(
        "SELECT source_filenode <> pg_relation_filenode($2::bigint::oid)::bigint FROM pgeist.jobs WHERE id = $1", job,
        source_oid);
    co_return row.boolean(0, 0);
}

awaitable<void> save_result(pg::connection& session, std::int64_t job, std::int64_t table_oid,
                            std::string fingerprint) {
    co_await session.query("UPDATE pgeist.jobs SET result_oid = $2::bigint::oid, result_fingerprint = $3 WHERE id = $1",
                           job, table_oid, fingerprint);
}

awaitable<std::optional<std::int64_t>> find_done(pg::connection& session, plan::change_request change,
                                                 std::int64_t table_oid, std::string fingerprint) {
    std::optional<std::int64_t> job;
    const bool present = co_await has_state_schema(session);
    if (!present) {
        co_return job;
    }
    // The table's name may be written with or without its schema; its oid says which it is.
    const pg::result found = co_await session.query(
        "SELECT id FROM pgeist.jobs WHERE state = 'done' AND result_oid = $1::bigint::oid AND result_fingerprint = $2 "
        "AND change - 'table' - 'key' = $3::jsonb - 'table' - 'key' ORDER BY id DESC LIMIT 1",
        table_oid, fingerprint, plan::to_json(change));
    if (!found.empty()) {
        job = found.integer(0, 0);
    }
    co_return job;
}

awaitable<void> save_chunk(pg::connection& session, std::int64_t job, const char* kind, walk::key_range range,
                           chunk_counts counts) {
    co_await session.query(
        "INSERT INTO pgeist.chunks (job, kind, lower, upper, rows, shadow_rows, checksum, shadow_checksum) "
        "VALUES ($1, $2, $3::text[], $4::text[], $5, $6, $7::numeric, $8::numeric)",
        job, kind, array_of(range.lower), array_of(range.upper), counts.rows, counts.shadow_rows, counts.checksum,
        counts.shadow_checksum);
}

awaitable<finished_chunks> load_chunks(pg::connection& session, std::int64_t job, const char* kind,
                                       const plan::key& key) {
    std::string sql = fmt::format(
        "SELECT lower, upper, rows FROM pgeist.chunks WHERE job = $1 AND kind = $2 ORDER BY lower IS NOT NULL, {}",
        walk::order_by_stored(key, "lower"));
    const pg::result found = co_await session.query(std::move(sql), job, kind);
    finished_chunks chunks;
    for (int row = 0; row < found.rows(); ++row) {
        walk::key_range range;
        range.lower = bound_from(found, row, "lower");
        range.upper = bound_from(found, row, "upper");
        chunks.ranges.push_back(std::move(range));
        chunks.rows += found.integer(row, "rows");
    }
    co_return chunks;
}

awaitable<void> forget_chunks(pg::connection& session, std::int64_t job, const char* kind) {
    co_await session.query("DELETE FROM pgeist.chunks WHERE job = $1 AND kind = $2", job, kind);
}

awaitable<control_request> beat(pg::connection& session, tenure mine, heartbeat now, deadline until) {
    const pg::result row = co_await session.query(
        until,
        "UPDATE pgeist.jobs SET rows_done = $3, rows_total = $4, log_pending = $5, throttled = $6, state = $7, "
        "figures = $8::jsonb, "
        "log_bytes = coalesce(pg_table_size(to_regclass(format('pgeist_%s.pgeist_log', id))), 0), "
        "updated_at = clock_timestamp() WHERE id = $1 AND incarnation = $2 RETURNING control",
        mine.job, mine.incarnation, now.rows_done, now.rows_total, now.log_pending, now.throttled, now.state,
        now.figures);
    if (row.empty()) {
        throw_not_ours(mine.job);
    }
    co_return control_from(row, mine.job);
}

awaitable<control_request> read_control(pg::connection& session, std::int64_t job, deadline until) {
    const pg::result row = co_await session.query(until, "SELECT control FROM pgeist.jobs WHERE id = $1", job);
    co_return control_from(row, job);
}

awaitable<void> acknowledge(pg::connection& session, std::int64_t job, std::int64_t number, run::settings now,
                            deadline until) {
    co_await session.query(
        until,
        "UPDATE pgeist.jobs SET control = control || jsonb_build_object('obeyed', $2::bigint), settings = $3::jsonb "
        "WHERE id = $1",
        job, number, run::to_json(now));
}

awaitable<void> save_settings(pg::connection& session, std::int64_t job, run::settings now) {
    co_await session.query("UPDATE pgeist.jobs SET settings = $2::jsonb WHERE id = $1", job, run::to_json(now));
}

awaitable<std::int64_t> steer(pg::connection& session, std::int64_t job, std::string action,
                              std::optional<std::string> name, std::optional<std::string> value) {
    const pg::result row =
        co_await session.query("SELECT pgeist.steer($1::bigint, $2, $3, $4)", job, action, name, value);
    co_return row.integer(0, 0);
}

awaitable<std::optional<std::int64_t>> obeyed(pg::connection& session, std::int64_t job) {
    const pg::result row = co_await session.query(
        "SELECT coalesce((control ->> 'obeyed')::bigint, 0) FROM pgeist.jobs WHERE id = $1", job);
    std::optional<std::int64_t> number;
    if (!row.empty()) {
        number = row.integer(0, 0);
    }
    co_return number;
}

}  // namespace pgeist::job
