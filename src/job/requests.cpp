#include "pgeist/job/requests.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "rows.hpp"

namespace pgeist::job {

namespace {

control_request control_from(const pg::result& row, std::int64_t job) {
    if (row.empty()) {
        throw error(exit_code::failed, fmt::format("job {} has been removed from schema pgeist by someone else", job),
                    "the source table is untouched; remove what is left with: pgeist cleanup --all");
    }
    return parse_control(row.text(0, 0));
}

}  // namespace

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
    request.leave = flag("leave");
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
        "WHERE j.id = $1 RETURNING (j.control ->> 'number')::bigint AS number, "
        "coalesce(to_jsonb(j) ->> 'kind', 'copy') AS kind, j.phase, {1} AS alive",
        next, held_condition("j.id"));
}

std::string what_is_asked(const std::string& action) {
    for (const auto& [name, asked] : {std::pair{"pause", R"({"paused": true})"},
                                      {"continue", R"({"paused": false})"},
                                      {"swap", R"({"swap": true})"},
                                      {"cancel", R"({"cancel": true})"},
                                      {"leave", R"({"leave": true})"}}) {
        if (action == name) {
            return asked;
        }
    }
    return "{}";
}

}  // namespace

awaitable<handed_in> steer(pg::connection& session, std::int64_t job, std::string action,
                           std::optional<std::string> name, std::optional<std::string> value) {
    const std::string asked = what_is_asked(action);
    const pg::result row = co_await session.query(request_sql(), job, asked, action, name, value);
    if (row.empty()) {
        throw error(exit_code::refused, fmt::format("there is no job {}", job), "list the jobs with: pgeist status");
    }
    co_await session.query(
        "INSERT INTO pgeist.events (job, event, detail) VALUES ($1, $2, session_user || coalesce(': ' || $3 || ' = ' "
        "|| $4, ''))",
        job, action, name, value);
    co_await session.query("SELECT pg_notify('pgeist', $1)", fmt::format("{} {}", job, action));
    handed_in request;
    request.number = row.integer(0, "number");
    request.kind = row.text(0, "kind");
    request.phase = row.text(0, "phase");
    request.alive = row.boolean(0, "alive");
    co_return request;
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
