#include "pgeist/steps/store.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist::steps {

namespace {

constexpr std::array<std::string_view, 5> state_words{"pending", "started", "done", "skipped", "failed"};

state state_of(std::string_view word) {
    const auto found = std::find(state_words.begin(), state_words.end(), word);
    if (found == state_words.end()) {
        throw error(exit_code::failed, fmt::format("a step is in state \"{}\", which this version does not know", word),
                    "use the version of pgeist that started the job");
    }
    return static_cast<state>(found - state_words.begin());
}

std::optional<std::int64_t> line_of(const step& what) {
    return what.line == 0 ? std::nullopt : std::optional(static_cast<std::int64_t>(what.line));
}

}  // namespace

std::string_view word_of(state now) { return state_words[static_cast<std::size_t>(now)]; }

awaitable<void> save_steps(pg::connection& session, std::int64_t job, const std::vector<step>& all) {
    for (const step& each : all) {
        co_await session.query(
            "INSERT INTO pgeist.steps (job, number, statement, method, line, plan) VALUES ($1, $2, $3, $4, $5, "
            "$6::jsonb)",
            job, each.number, each.statement, std::string(word_of(each.how)), line_of(each), to_json(each));
    }
}

awaitable<std::vector<stored_step>> load_steps(pg::connection& session, std::int64_t job) {
    const pg::result rows = co_await session.query(
        "SELECT plan, state, actions_done, coalesce(message, '') AS message FROM pgeist.steps WHERE job = $1 ORDER BY "
        "number",
        job);
    std::vector<stored_step> all;
    for (int row = 0; row < rows.rows(); ++row) {
        stored_step each;
        each.what = step_from_json(rows.text(row, "plan"));
        each.state = state_of(rows.text(row, "state"));
        each.actions_done = static_cast<int>(rows.integer(row, "actions_done"));
        each.message = rows.text(row, "message");
        all.push_back(std::move(each));
    }
    co_return all;
}

awaitable<void> save_progress(pg::connection& session, job::tenure mine, int number, steps::state now, int actions_done,
                              std::string message) {
    co_await job::require_tenure(session, mine);
    co_await session.query(
        "UPDATE pgeist.steps SET state = $3, actions_done = $4, message = nullif($5, ''), xid = pg_current_xact_id(), "
        "started_at = coalesce(started_at, clock_timestamp()), "
        "finished_at = CASE WHEN $3 IN ('done', 'skipped', 'failed') THEN clock_timestamp() END "
        "WHERE job = $1 AND number = $2",
        mine.job, number, std::string(word_of(now)), actions_done, message);
}

awaitable<void> add_work(pg::connection& session, job::tenure mine, int number, std::chrono::milliseconds took) {
    co_await session.query("UPDATE pgeist.steps SET work_ms = coalesce(work_ms, 0) + $3 WHERE job = $1 AND number = $2",
                           mine.job, number, took.count());
}

awaitable<void> save_plan(pg::connection& session, std::int64_t job, const step& what) {
    co_await session.query("UPDATE pgeist.steps SET plan = $3::jsonb WHERE job = $1 AND number = $2", job, what.number,
                           to_json(what));
}

awaitable<void> replace_step(pg::connection& session, job::tenure mine, const step& what) {
    co_await job::require_tenure(session, mine);
    co_await session.query(
        "UPDATE pgeist.steps SET method = $3, plan = $4::jsonb, actions_done = 0 WHERE job = $1 AND number = $2",
        mine.job, what.number, std::string(word_of(what.how)), to_json(what));
}

}  // namespace pgeist::steps
