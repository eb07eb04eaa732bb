#include "pgeist/job/hold.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::job {

namespace {

// First key of the two-key advisory locks: "pgei" and "pgej" in ASCII, so that other users of advisory locks do not
// meet ours.
constexpr int table_space = 0x70676569;
constexpr int job_space = 0x7067656a;

constexpr const char* holder_query = R"sql(
    SELECT l.pid, coalesce(a.usename, '?') AS usename, coalesce(a.application_name, '?') AS application_name
    FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid AND l.objsubid = 2 AND l.granted)sql";

}  // namespace

awaitable<std::optional<holder>> hold::take(int space, std::int64_t id) {
    std::optional<holder> by;
    // The second key is signed in SQL and unsigned in pg_locks; oids above 2^31 wrap the same way both times.
    const auto key = static_cast<std::int32_t>(static_cast<std::uint32_t>(id));
    const pg::result taken = co_await session_->query("SELECT pg_try_advisory_lock($1::int4, $2::int4)", space, key);
    if (taken.boolean(0, 0)) {
        co_return by;
    }
    by.emplace();
    const pg::result found =
        co_await session_->query(holder_query, space, static_cast<std::int64_t>(static_cast<std::uint32_t>(id)));
    if (!found.empty()) {
        by->pid = static_cast<int>(found.integer(0, "pid"));
        by->user = found.text(0, "usename");
        by->application = found.text(0, "application_name");
    }
    co_return by;
}

awaitable<std::optional<holder>> hold::take_table(std::int64_t table_oid) {
    auto by = co_await take(table_space, table_oid);
    co_return by;
}

awaitable<std::optional<holder>> hold::take_job(std::int64_t job) {
    auto by = co_await take(job_space, job);
    co_return by;
}

std::string session_name(std::int64_t job) { return fmt::format("pgeist job {}", job); }

namespace {

constexpr auto longest_end = std::chrono::seconds(10);
constexpr auto end_poll = std::chrono::milliseconds(50);

}  // namespace

awaitable<void> end_orphans(pg::connection& session, std::int64_t job) {
    const auto until = deadline::in(longest_end);
    while (!until.passed()) {
        const pg::result ended = co_await session.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
            "application_name = $1 AND usename = current_user AND pid <> pg_backend_pid()",
            session_name(job));
        if (ended.empty()) {
            co_return;
        }
        co_await pg::sleep_for(end_poll);
    }
}

awaitable<void> end_backend(pg::connection& session, int pid) {
    const auto until = deadline::in(longest_end);
    while (!until.passed()) {
        // By name as well: the number may have gone to somebody else's session.
        const pg::result ended = co_await session.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND datname = current_database() "
            "AND usename = current_user AND application_name LIKE 'pgeist%'",
            pid);
        if (ended.empty()) {
            co_return;
        }
        co_await pg::sleep_for(end_poll);
    }
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

std::string held_condition(const std::string& id) { return lock_condition(id, ""); }

std::string held_by_condition(const std::string& id, const std::string& pid) {
    return lock_condition(id, fmt::format(" AND l.pid = ({})", pid));
}

void throw_held(const std::string& what, const holder& by) {
    throw error(exit_code::already_running,
                fmt::format("{} is held by another run: pid {}, user {}, {}", what, by.pid, by.user, by.application),
                "wait for it, or stop it with: pgeist cancel JOB (see pgeist status)");
}

}  // namespace pgeist::job
