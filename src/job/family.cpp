#include "pgeist/job/family.hpp"

#include <utility>

#include "pgeist/job/state_trust.hpp"
#include "rows.hpp"

namespace pgeist::job {

namespace {

// A state of an earlier version has no such column.
constexpr const char* parent = "(to_jsonb(j) ->> 'parent')::bigint";
constexpr const char* group = "(to_jsonb(j) ->> 'group_id')::bigint";

/// What `query` has to say of the job; the job itself where that is nothing, and where there is no state.
awaitable<std::int64_t> ask_or_itself(pg::connection& session, std::int64_t job, std::string query) {
    std::int64_t found = job;
    const bool present = co_await has_state_schema(session);
    if (!present) {
        co_return found;
    }
    const pg::result row = co_await session.query(std::move(query), job);
    if (!row.empty()) {
        found = row.integer(0, 0);
    }
    co_return found;
}

}  // namespace

awaitable<std::int64_t> leader_of(pg::connection& session, std::int64_t job) {
    // A group may be a step itself: its other tables' jobs lead to it, and it to the job that it is a step of.
    return ask_or_itself(
        session, job,
        std::string("SELECT coalesce(q.id, p.id) FROM pgeist.jobs j JOIN pgeist.jobs p ON p.id = coalesce(") + parent +
            ", " + group + ") LEFT JOIN pgeist.jobs q ON q.id = (to_jsonb(p) ->> 'parent')::bigint WHERE j.id = $1");
}

awaitable<std::int64_t> head_of_group(pg::connection& session, std::int64_t job) {
    return ask_or_itself(session, job,
                         std::string("SELECT coalesce(") + group + ", j.id) FROM pgeist.jobs j WHERE j.id = $1");
}

awaitable<std::vector<std::int64_t>> children_of(pg::connection& session, std::int64_t job) {
    const pg::result rows = co_await session.query(
        std::string("SELECT j.id FROM pgeist.jobs j WHERE ") + parent + " = $1 ORDER BY j.id", job);
    std::vector<std::int64_t> all;
    for (int row = 0; row < rows.rows(); ++row) {
        all.push_back(rows.integer(row, 0));
    }
    co_return all;
}

awaitable<std::vector<std::int64_t>> others_of_group(pg::connection& session, std::int64_t leader) {
    const pg::result rows = co_await session.query(
        std::string("SELECT j.id FROM pgeist.jobs j WHERE ") + group + " = $1 AND j.id <> $1 ORDER BY j.id", leader);
    std::vector<std::int64_t> all;
    for (int row = 0; row < rows.rows(); ++row) {
        all.push_back(rows.integer(row, 0));
    }
    co_return all;
}

awaitable<std::vector<record>> load_others_of_group(pg::connection& session, std::int64_t leader) {
    std::vector<record> all;
    const auto jobs = co_await others_of_group(session, leader);
    for (const std::int64_t each : jobs) {
        auto one = co_await load(session, each);
        all.push_back(std::move(one));
    }
    co_return all;
}

awaitable<void> make_group(pg::connection& session, std::vector<std::int64_t> jobs) {
    const std::string list = pg::array_literal(jobs);
    co_await session.query("UPDATE pgeist.jobs SET group_id = $1 WHERE id = ANY ($2::bigint[])", jobs.front(), list);
}

awaitable<std::optional<std::int64_t>> find_child(pg::connection& session, std::int64_t parent, int step) {
    std::optional<std::int64_t> found;
    const pg::result row = co_await session.query(
        "SELECT id FROM pgeist.jobs WHERE parent = $1 AND parent_step = $2 ORDER BY id DESC LIMIT 1", parent, step);
    if (!row.empty()) {
        found = row.integer(0, 0);
    }
    co_return found;
}

awaitable<void> make_child(pg::connection& session, std::int64_t job, std::int64_t parent, int step) {
    co_await session.query("UPDATE pgeist.jobs SET parent = $2, parent_step = $3 WHERE id = $1", job, parent, step);
}

}  // namespace pgeist::job
