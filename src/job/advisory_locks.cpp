#include "pgeist/job/advisory_locks.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::job {

namespace {

// "pgei" in ASCII, as job_space is "pgej".
constexpr int table_space = 0x70676569;

constexpr auto end_poll = std::chrono::milliseconds(50);

// Sessions belong to who logged in: a role that is set by default neither sees the times of its login's sessions nor
// may end them. For the statement, or statements, sent together.
constexpr const char* as_login = "SET LOCAL ROLE NONE; ";

constexpr const char* holder_query = R"sql(
    SELECT l.pid, coalesce(extract(epoch FROM a.backend_start)::text, '') AS start, coalesce(a.usename, '?') AS usename,
           coalesce(a.application_name, '?') AS application_name
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid = {}::bigint::oid AND l.objid = {}::bigint::oid AND l.objsubid = 2 AND l.granted)sql";

}  // namespace

awaitable<std::optional<holder>> advisory_locks::take(int space, std::int64_t id) {
    std::optional<holder> by;
    // The second key is signed in SQL and unsigned in pg_locks; oids above 2^31 wrap the same way both times.
    const auto key = static_cast<std::int32_t>(static_cast<std::uint32_t>(id));
    while (true) {
        const pg::result taken =
            co_await session_->query("SELECT pg_try_advisory_lock($1::int4, $2::int4)", space, key);
        if (taken.boolean(0, 0)) {
            co_return by;
        }
        std::string who = as_login + fmt::format(holder_query, space, static_cast<std::uint32_t>(id));
        const pg::result found = co_await session_->execute(std::move(who));
        if (!found.empty()) {
            by.emplace();
            by->pid = static_cast<int>(found.integer(0, "pid"));
            by->start = found.text(0, "start");
            by->user = found.text(0, "usename");
            by->application = found.text(0, "application_name");
            co_return by;
        }
        co_await pg::sleep_for(end_poll);  // whoever had it has just gone
    }
}

awaitable<std::optional<holder>> advisory_locks::take_table(std::int64_t table_oid) {
    auto by = co_await take(table_space, table_oid);
    co_return by;
}

awaitable<std::optional<holder>> advisory_locks::take_job(std::int64_t job) {
    auto by = co_await take(job_space, job);
    co_return by;
}

std::string session_name(std::int64_t job) { return fmt::format("pgeist job {}", job); }

namespace {

constexpr auto longest_end = std::chrono::seconds(10);

[[noreturn]] void throw_does_not_end(const std::string& what) {
    throw error(exit_code::already_running, fmt::format("{} does not end", what),
                "see what it waits for in pg_stat_activity, end it, then try again");
}

}  // namespace

awaitable<void> end_orphans(pg::connection& session, std::int64_t job) {
    const auto until = deadline::in(longest_end);
    while (!until.passed()) {
        std::string sql = as_login + fmt::format(R"sql(
            SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a, pg_stat_activity me
             WHERE me.pid = pg_backend_pid() AND a.datid = me.datid AND a.usesysid = me.usesysid AND a.pid <> me.pid
               AND a.application_name = {})sql",
                                                 quote_literal(session_name(job)));
        const pg::result ended = co_await session.execute(std::move(sql));
        if (ended.empty()) {
            co_return;
        }
        co_await pg::sleep_for(end_poll);
    }
    throw_does_not_end(fmt::format("a session of an earlier run of job {}", job));
}

namespace {

std::string is_backend(const backend& which) {
    return fmt::format("pid = {} AND extract(epoch FROM backend_start) = {}::numeric", which.pid,
                       quote_literal(which.start));
}

}  // namespace

awaitable<void> end_backend(pg::connection& session, backend which) {
    const auto until = deadline::in(longest_end);
    while (!until.passed()) {
        std::string sql = as_login + fmt::format("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {}",
                                                 is_backend(which));
        const pg::result ended = co_await session.execute(std::move(sql));
        if (ended.empty()) {
            co_return;
        }
        co_await pg::sleep_for(end_poll);
    }
    throw_does_not_end(fmt::format("the session that was lost (pid {})", which.pid));
}

namespace {

std::string lock_condition(const std::string& id, const std::string& more) {
    return fmt::format(
        "EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.classid = {} AND l.objsubid = 2 AND "
        "l.granted "
        "AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()) "
        "AND l.objid = ({})::bigint::oid{})",
        job_space, id, more);
}

}  // namespace

std::string exists_condition(const backend& which) {
    return fmt::format("EXISTS (SELECT FROM pg_stat_activity WHERE {})", is_backend(which));
}

std::string held_condition(const std::string& id) { return lock_condition(id, ""); }

std::string held_by_condition(const std::string& id, const std::string& pid) {
    return lock_condition(id, fmt::format(" AND l.pid = ({})", pid));
}

void throw_held(const std::string& what, const holder& by) {
    throw error(exit_code::already_running,
                fmt::format("{} is held by another run: pid {}, user {}, {}", what, by.pid, by.user, by.application),
                "wait for it, or stop it with pgeist cancel and the number that pgeist status shows");
}

awaitable<void> claim_table(advisory_locks& hold, std::int64_t table_oid, qualified_name name) {
    const auto by = co_await hold.take_table(table_oid);
    if (by) {
        throw_held(fmt::format("table {}", name.display()), *by);
    }
}

awaitable<void> claim_job(advisory_locks& hold, std::int64_t job) {
    const auto by = co_await hold.take_job(job);
    if (by) {
        throw_held(fmt::format("job {}", job), *by);
    }
}

}  // namespace pgeist::job
