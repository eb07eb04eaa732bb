#include "pgeist/job/store.hpp"

#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/ascii.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/process.hpp"
#include "pgeist/job/state_schema.hpp"
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
    const boost::json::value parsed = json_from(text);
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
        return value != nullptr && value->is_int64() ? value->as_int64() : 0;
    };
    request.by = words(object, "by");
    request.number = number(object);
    if (const auto* value = object.if_contains("verify"); value != nullptr && value->is_int64()) {
        request.verify = value->as_int64();
    }
    if (const auto* values = object.if_contains("set"); values != nullptr && values->is_array()) {
        for (const auto& each : values->as_array()) {
            if (!each.is_object()) {
                continue;  // written by hand, not by pgeist.steer()
            }
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

/// For what is told while the job runs: where the database's encoding lacks a character of a text, it is written
/// without it, since no run is to end for that. In no transaction.
awaitable<pg::result> write(pg::connection& session, std::string sql, pg::parameters values) {
    pg::result done;
    bool lacks = false;
    try {
        done = co_await session.query_params(sql, values, deadline::never());
    } catch (const pg::sql_error& failure) {
        lacks = failure.is(pg::sqlstate::untranslatable_character);
        if (!lacks) {
            throw;
        }
    }
    if (lacks) {
        for (auto& each : values) {
            each = each ? std::optional<std::string>(to_ascii(*each)) : std::nullopt;
        }
        done = co_await session.query_params(std::move(sql), std::move(values), deadline::never());
    }
    co_return done;
}

/// Values for write().
template <class... Values>
pg::parameters values_of(const Values&... values) {
    return {pg::to_parameter(values)...};
}

walk::bound bound_from(const pg::result& rows, int row, const char* name) {
    const int column = rows.column(name);
    if (rows.is_null(row, column)) {
        return std::nullopt;
    }
    return rows.array(row, column);
}

}  // namespace

awaitable<tenure> create(pg::connection& session, qualified_name table, std::int64_t table_oid,
                         plan::change_request change, run::settings settings) {
    const pg::result created = co_await session.query(
        "INSERT INTO pgeist.jobs (table_schema, table_name, table_oid, change, settings, process) "
        "VALUES ($1, $2, $3::bigint::oid, $4::jsonb, $5::jsonb, nullif($6, '')) RETURNING id, incarnation",
        table.schema, table.name, table_oid, plan::to_json(change), run::to_json(settings), this_process());
    const tenure first{created.integer(0, 0), created.integer(0, 1)};
    co_return first;
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
                "phase, state, token, incarnation, control, coalesce((control ->> 'obeyed')::bigint, 0) AS obeyed, "
                "coalesce((control #>> '{compared,number}')::bigint, 0) AS compared "
                "FROM pgeist.jobs WHERE id = $1",
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
    stored.asked = parse_control(found.text(0, "control"));
    stored.obeyed = found.integer(0, "obeyed");
    stored.compared = found.integer(0, "compared");
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

void require_ours(tenure mine, const pg::result& changed) {
    if (changed.affected() == 0) {
        throw_not_ours(mine.job);
    }
}

}  // namespace

std::string restored_condition(const std::string& alias) {
    return fmt::format(
        "EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = {0}.blueprint ->> 'job_schema' AND c.relname = {0}.table_name "
        "AND c.oid::bigint <> ({0}.blueprint ->> CASE WHEN {0}.phase IN ('finish', 'done') THEN 'source_oid' "
        "ELSE 'shadow_oid' END)::bigint)",
        alias);
}

awaitable<void> require_tenure(pg::connection& session, tenure mine) {
    bool ours = false;
    try {
        if (mine.guarded) {
            static_cast<void>(co_await guard_state(session));
        }
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

awaitable<tenure> begin_tenure(pg::connection& session, std::int64_t job, requests what) {
    // The count of requests goes on, so that nobody takes the answer to a later one for his own.
    const std::string count = "coalesce((control ->> 'number')::bigint, 0)";
    const std::string forget =
        fmt::format(", control = jsonb_build_object('number', {0}, 'obeyed', {0}, 'forgotten', {0})", count);
    std::string sql =
        "UPDATE pgeist.jobs SET incarnation = incarnation + 1, updated_at = clock_timestamp(), process = "
        "nullif($2, '')";
    if (what == requests::forget) {
        sql += forget;
    }
    sql += " WHERE id = $1 RETURNING incarnation";
    pg::result row;
    try {
        row = co_await session.query(std::move(sql), job, this_process());
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
    require_ours(mine, saved);
}

awaitable<void> save_state(pg::connection& session, tenure mine, std::string state, std::string message) {
    pg::parameters values = values_of(mine.job, mine.incarnation, state, message);
    co_await write(
        session,
        "UPDATE pgeist.jobs SET state = $3, message = nullif($4, ''), throttled = NULL, updated_at = "
        "clock_timestamp(), "
        "finished_at = CASE WHEN $3 = 'running' THEN NULL ELSE clock_timestamp() END WHERE id = $1 AND incarnation = "
        "$2",
        std::move(values));
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

awaitable<void> add_event(pg::connection& session, std::int64_t job, std::string event, std::string detail) {
    pg::parameters values = values_of(job, event, detail);
    co_await write(session, "INSERT INTO pgeist.events (job, event, detail) VALUES ($1, $2, nullif($3, ''))",
                   std::move(values));
}

namespace {

/// The file's number and, above its 32 bits, a hash of which versions of their rows in the catalogs the columns and
/// their defaults have: ALTER COLUMN … TYPE makes new ones, also where the type stays the same, and so do INHERIT and
/// ATTACH PARTITION, also when they are undone; who moves rows as they are makes none. (What pgeist of before kept has
/// no hash: it counts as another.)
std::string mark_of(std::string_view oid) {
    return fmt::format(
        "(SELECT (hashtextextended(string_agg(concat_ws(' ', k.what, k.number, k.version), ',' ORDER BY k.what, "
        "k.number), "
        "0) & 2147483647) << 32 FROM (SELECT 'column' AS what, attnum::bigint AS number, xmin AS version FROM "
        "pg_attribute "
        "WHERE attrelid = {0} AND attnum > 0 UNION ALL SELECT 'default', oid::bigint, xmin FROM pg_attrdef WHERE "
        "adrelid "
        "= {0}) AS k) | pg_relation_filenode({0})::bigint",
        oid);
}

}  // namespace

awaitable<void> save_source_file(pg::connection& session, tenure mine, std::int64_t source_oid) {
    std::string sql = "UPDATE pgeist.jobs SET source_filenode = " + mark_of("$3::bigint::oid") +
                      " WHERE id = $1 AND incarnation = $2";
    const pg::result saved = co_await session.query(std::move(sql), mine.job, mine.incarnation, source_oid);
    require_ours(mine, saved);
}

awaitable<std::optional<std::int64_t>> file_to_compare(pg::connection& session, std::int64_t job,
                                                       std::int64_t source_oid) {
    std::string sql = "SELECT " + mark_of("$2::bigint::oid") +
                      " WHERE NOT EXISTS (SELECT FROM pgeist.chunks WHERE job = $1 AND kind = 'verify')";
    const pg::result row = co_await session.query(std::move(sql), job, source_oid);
    std::optional<std::int64_t> file;
    if (!row.empty() && !row.is_null(0, 0)) {
        file = row.integer(0, 0);
    }
    co_return file;
}

awaitable<void> save_compared_file(pg::connection& session, tenure mine, std::int64_t file) {
    const pg::result saved =
        co_await session.query("UPDATE pgeist.jobs SET source_filenode = $3 WHERE id = $1 AND incarnation = $2",
                               mine.job, mine.incarnation, file);
    require_ours(mine, saved);
}

awaitable<source_rows> source_rows_since(pg::connection& session, std::int64_t job, std::int64_t source_oid) {
    std::string sql =
        "SELECT j.source_filenode & 4294967295 = m.mark & 4294967295 AS same_file, j.source_filenode >> 32 "
        "= m.mark >> 32 AS same_columns FROM pgeist.jobs j, LATERAL (SELECT " +
        mark_of("$2::bigint::oid") + " AS mark) AS m WHERE j.id = $1";
    const pg::result row = co_await session.query(std::move(sql), job, source_oid);
    source_rows found = source_rows::rewritten;
    if (row.boolean(0, "same_columns")) {
        found = row.boolean(0, "same_file") ? source_rows::in_place : source_rows::moved;
    }
    co_return found;
}

awaitable<void> save_result(pg::connection& session, tenure mine, std::int64_t table_oid, std::string fingerprint) {
    const pg::result saved = co_await session.query(
        "UPDATE pgeist.jobs SET result_oid = $3::bigint::oid, result_fingerprint = $4 WHERE id = $1 AND incarnation = "
        "$2",
        mine.job, mine.incarnation, table_oid, fingerprint);
    require_ours(mine, saved);
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
        "AND change - 'table' - '{key_index,copy_order}'::text[] = $3::jsonb - 'table' - "
        "'{key_index,copy_order}'::text[] ORDER BY id DESC LIMIT 1",
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
        job, kind, array_of(range.lower), array_of(range.upper), counts.rows, counts.write_rows, counts.checksum,
        counts.write_checksum);
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

awaitable<void> forget_chunks(pg::connection& session, tenure mine, const char* kind) {
    const pg::result row = co_await session.query(
        "WITH mine AS (SELECT id FROM pgeist.jobs WHERE id = $1 AND incarnation = $2 FOR KEY SHARE), "
        "gone AS (DELETE FROM pgeist.chunks c USING mine WHERE c.job = mine.id AND c.kind = $3) "
        "SELECT count(*) FROM mine",
        mine.job, mine.incarnation, kind);
    if (row.integer(0, 0) == 0) {
        throw_not_ours(mine.job);
    }
}

awaitable<control_request> beat(pg::connection& session, tenure mine, heartbeat now) {
    pg::parameters values = values_of(mine.job, mine.incarnation, now.rows_done, now.rows_total, now.log_pending,
                                      now.throttled, now.state, now.figures);
    const pg::result row = co_await write(
        session,
        "UPDATE pgeist.jobs SET rows_done = $3, rows_total = $4, log_pending = $5, throttled = $6, state = $7, "
        "figures = $8::jsonb, "
        "log_bytes = coalesce(pg_table_size(to_regclass(format('pgeist_%s.pgeist_log', id))), 0), "
        "updated_at = clock_timestamp() WHERE id = $1 AND incarnation = $2 RETURNING control",
        std::move(values));
    if (row.empty()) {
        throw_not_ours(mine.job);
    }
    co_return control_from(row, mine.job);
}

awaitable<control_request> read_control(pg::connection& session, std::int64_t job) {
    const pg::result row = co_await session.query("SELECT control FROM pgeist.jobs WHERE id = $1", job);
    co_return control_from(row, job);
}

awaitable<void> acknowledge(pg::connection& session, tenure mine, std::int64_t number, run::settings now) {
    const pg::result saved = co_await session.query(
        "UPDATE pgeist.jobs SET control = control || jsonb_build_object('obeyed', $3::bigint), settings = $4::jsonb "
        "WHERE id = $1 AND incarnation = $2",
        mine.job, mine.incarnation, number, run::to_json(now));
    require_ours(mine, saved);
}

awaitable<void> save_settings(pg::connection& session, tenure mine, run::settings now) {
    const pg::result saved =
        co_await session.query("UPDATE pgeist.jobs SET settings = $3::jsonb WHERE id = $1 AND incarnation = $2",
                               mine.job, mine.incarnation, run::to_json(now));
    require_ours(mine, saved);
}

awaitable<void> answer_verify(pg::connection& session, tenure mine, comparison found) {
    pg::parameters values =
        values_of(mine.job, mine.incarnation, found.number, found.differs, found.detail, found.counts.chunks,
                  found.counts.rows, found.counts.differences, found.counts.repaired);
    const pg::result saved = co_await write(
        session,
        "UPDATE pgeist.jobs SET control = control || jsonb_build_object('compared', jsonb_build_object('number', "
        "$3::bigint, 'differs', $4::bool, 'detail', $5::text, 'chunks', $6::bigint, 'rows', $7::bigint, "
        "'differences', $8::bigint, 'repaired', $9::bigint)) WHERE id = $1 AND incarnation = $2",
        std::move(values));
    require_ours(mine, saved);
}

awaitable<std::optional<comparison>> last_comparison(pg::connection& session, std::int64_t job) {
    std::optional<comparison> found;
    const pg::result row = co_await session.query(
        "SELECT (control #>> '{compared,number}')::bigint, (control #>> '{compared,differs}')::bool, control #>> "
        "'{compared,detail}', coalesce((control #>> '{compared,chunks}')::bigint, 0), coalesce((control #>> "
        "'{compared,rows}')::bigint, 0), coalesce((control #>> '{compared,differences}')::bigint, 0), "
        "coalesce((control #>> '{compared,repaired}')::bigint, 0) FROM pgeist.jobs WHERE id = $1 AND control ? "
        "'compared'",
        job);
    if (!row.empty()) {
        found.emplace();
        found->number = row.integer(0, 0);
        found->differs = row.boolean(0, 1);
        found->detail = row.text(0, 2);
        found->counts.chunks = row.integer(0, 3);
        found->counts.rows = row.integer(0, 4);
        found->counts.differences = row.integer(0, 5);
        found->counts.repaired = row.integer(0, 6);
    }
    co_return found;
}

awaitable<std::int64_t> rows_in_chunks(pg::connection& session, std::int64_t job, const char* kind) {
    const pg::result row = co_await session.query(
        "SELECT coalesce(sum(rows), 0)::bigint FROM pgeist.chunks WHERE job = $1 AND kind = $2", job, kind);
    co_return row.integer(0, 0);
}

awaitable<std::optional<std::string>> last_event(pg::connection& session, std::int64_t job, std::string event) {
    const pg::result row = co_await session.query(
        "SELECT detail FROM pgeist.events WHERE job = $1 AND event = $2 ORDER BY at DESC LIMIT 1", job, event);
    std::optional<std::string> detail;
    if (!row.empty()) {
        detail = row.text(0, 0);
    }
    co_return detail;
}

awaitable<bool> has_event(pg::connection& session, std::int64_t job, std::string event) {
    const pg::result row =
        co_await session.query("SELECT EXISTS (SELECT FROM pgeist.events WHERE job = $1 AND event = $2)", job, event);
    co_return row.boolean(0, 0);
}

namespace {

/// What is asked for goes to what was asked before, under the next number. The same as in pgeist.steer().
std::string request_sql() {
    const std::string next = "coalesce((j.control ->> 'number')::bigint, 0) + 1";
    return fmt::format(
        "UPDATE pgeist.jobs AS j SET control = j.control || $2::jsonb || jsonb_build_object('number', {0}, 'by', "
        "session_user) || CASE $3::text "
        "WHEN 'set' THEN jsonb_build_object('set', coalesce(j.control -> 'set', '[]') || jsonb_build_object("
        "'number', {0}, 'by', session_user, 'name', $4::text, 'value', $5::text)) "
        "WHEN 'verify' THEN jsonb_build_object('verify', {0}) ELSE '{{}}' END "
        "WHERE j.id = $1 RETURNING (j.control ->> 'number')::bigint AS number, j.phase, {1} AS alive",
        next, held_condition("j.id"));
}

std::string what_is_asked(const std::string& action) {
    for (const auto& [name, asked] : {std::pair{"pause", R"({"paused": true})"},
                                      {"continue", R"({"paused": false})"},
                                      {"swap", R"({"swap": true})"},
                                      {"cancel", R"({"cancel": true})"}}) {
        if (action == name) {
            return asked;
        }
    }
    return "{}";
}

}  // namespace

awaitable<std::int64_t> steer(pg::connection& session, std::int64_t job, std::string action,
                              std::optional<std::string> name, std::optional<std::string> value) {
    const std::string asked = what_is_asked(action);
    const pg::result row = co_await session.query(request_sql(), job, asked, action, name, value);
    if (row.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {}", job), "list the jobs with: pgeist status");
    }
    const std::string reached = row.text(0, "phase");
    if ((action == "cancel" || action == "pause") && (reached == "finish" || reached == "done")) {
        throw error(exit_code::refused,
                    fmt::format("job {} has swapped the tables already: it cannot be {}", job,
                                action == "pause" ? "paused" : "cancelled"),
                    "it only finishes its work now");
    }
    if (!row.boolean(0, "alive")) {
        throw error(exit_code::refused, fmt::format("nobody runs job {}", job),
                    fmt::format("go on with it: pgeist resume {0}, or remove it: pgeist cleanup {0}", job));
    }
    co_await session.query(
        "INSERT INTO pgeist.events (job, event, detail) VALUES ($1, $2, session_user || coalesce(': ' || $3 || ' = ' "
        "|| $4, ''))",
        job, action, name, value);
    co_await session.query("SELECT pg_notify('pgeist', $1)", fmt::format("{} {}", job, action));
    co_return row.integer(0, "number");
}

awaitable<std::optional<answers>> read_answers(pg::connection& session, std::int64_t job) {
    const pg::result row = co_await session.query(
        "SELECT coalesce((control ->> 'obeyed')::bigint, 0), coalesce((control ->> 'forgotten')::bigint, 0) FROM "
        "pgeist.jobs WHERE id = $1",
        job);
    std::optional<answers> found;
    if (!row.empty()) {
        found.emplace();
        found->obeyed = row.integer(0, 0);
        found->forgotten = row.integer(0, 1);
    }
    co_return found;
}

}  // namespace pgeist::job
