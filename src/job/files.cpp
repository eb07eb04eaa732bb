#include "pgeist/job/files.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/state_schema.hpp"

namespace pgeist::job {

namespace {

/// A state of an earlier version, which only looking does not bring up to date, has none.
awaitable<bool> has_files(pg::connection& session) {
    const bool present = co_await has_state_schema(session);
    if (!present) {
        co_return false;
    }
    const pg::result row = co_await session.query("SELECT to_regclass('pgeist.files') IS NOT NULL");
    co_return row.boolean(0, 0);
}

}  // namespace

awaitable<std::string> file_digest(pg::connection& session, std::string identity) {
    const pg::result row = co_await session.query(
        "SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to($1, 'UTF8')), 'hex')", identity);
    co_return row.text(0, 0);
}

awaitable<std::optional<known_file>> find_file(pg::connection& session, std::string digest) {
    std::optional<known_file> found;
    const bool present = co_await has_files(session);
    if (!present) {
        co_return found;
    }
    const pg::result row = co_await session.query(
        fmt::format("SELECT f.name, f.done_at IS NOT NULL OR coalesce(j.phase = 'done', false) AS done, coalesce(j.id, "
                    "0) AS job, coalesce(to_char(f.done_at, 'YYYY-MM-DD HH24:MI:SSOF'), '') AS done_at, "
                    "j.id IS NOT NULL AND {} AS alive "
                    "FROM pgeist.files f LEFT JOIN pgeist.jobs j ON j.id = f.job "
                    "WHERE f.digest = $1 AND (j.id IS NOT NULL OR f.done_at IS NOT NULL) "
                    "AND NOT EXISTS (SELECT FROM pgeist.files u LEFT JOIN pgeist.jobs uj ON uj.id = u.job "
                    "WHERE u.undoes = f.digest AND u.begun_at > f.begun_at "
                    "AND (u.done_at IS NOT NULL OR uj.phase = 'done'))",
                    held_condition("j.id")),
        digest);
    if (!row.empty()) {
        found.emplace();
        found->name = row.text(0, "name");
        found->done = row.boolean(0, "done");
        found->job = row.integer(0, "job");
        found->done_at = row.text(0, "done_at");
        found->alive = row.boolean(0, "alive");
    }
    co_return found;
}

awaitable<void> note_file(pg::connection& session, file_run what) {
    // A row that is there is of a run that was undone, or removed in the middle. Of two runs that begin at once the
    // second waits here for the first.
    const pg::result noted = co_await session.query(
        "INSERT INTO pgeist.files AS f (digest, name, statements, job, undoes) "
        "VALUES ($1, $2, $3, $4, nullif($5, '')) "
        "ON CONFLICT (digest) DO UPDATE SET name = excluded.name, statements = excluded.statements, "
        "job = excluded.job, undoes = excluded.undoes, run_by = session_user, begun_at = clock_timestamp(), "
        "done_at = NULL WHERE f.begun_at = $6::timestamptz RETURNING 1",
        what.digest, what.name, what.statements, what.job, what.undoes, what.before);
    if (noted.empty()) {
        throw error(exit_code::already_running, fmt::format("another run of {} has just begun", what.name),
                    "see pgeist status");
    }
}

awaitable<std::optional<std::string>> last_begun(pg::connection& session, std::string digest) {
    std::optional<std::string> when;
    const bool present = co_await has_files(session);
    if (present) {
        const pg::result row =
            co_await session.query("SELECT begun_at::text FROM pgeist.files WHERE digest = $1", digest);
        when = row.empty() ? std::nullopt : row.optional_text(0, "begun_at");
    }
    co_return when;
}

awaitable<std::optional<std::string>> removed_run(pg::connection& session, std::string digest) {
    std::optional<std::string> when;
    const bool present = co_await has_files(session);
    if (present) {
        const pg::result row = co_await session.query(
            "SELECT to_char(f.begun_at, 'YYYY-MM-DD HH24:MI:SSOF') FROM pgeist.files f WHERE f.digest = $1 AND "
            "f.done_at IS "
            "NULL AND NOT EXISTS (SELECT FROM pgeist.jobs j WHERE j.id = f.job)",
            digest);
        when = row.empty() ? std::nullopt : row.optional_text(0, 0);
    }
    co_return when;
}

awaitable<bool> has_history(pg::connection& session) {
    bool any = co_await has_files(session);
    if (any) {
        const pg::result row =
            co_await session.query("SELECT EXISTS (SELECT FROM pgeist.files WHERE done_at IS NOT NULL)");
        any = row.boolean(0, 0);
    }
    co_return any;
}

awaitable<void> keep_file(pg::connection& session, std::int64_t job) {
    co_await session.query(
        "UPDATE pgeist.files f SET done_at = clock_timestamp() FROM pgeist.jobs j "
        "WHERE j.id = $1 AND f.job = j.id AND f.done_at IS NULL AND (j.phase = 'done' OR j.state = 'done')",
        job);
}

}  // namespace pgeist::job
