#include "pgeist/supervise/takeover.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/family.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/take_on.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/supervise/reconnect_policy.hpp"

namespace pgeist::supervise {

namespace {

/// For a few questions to a server that has just come back.
constexpr auto answer_timeout = std::chrono::seconds(10);

awaitable<std::optional<job::holder>> take_both(session_set& sessions, const job::record& what, std::string& name) {
    name = fmt::format("job {}", what.id);
    auto by = co_await sessions.hold->take_job(what.id);
    if (!by && what.table_oid != 0) {  // a migration file is about no one table
        name = fmt::format("table {}", what.table.display());
        by = co_await sessions.hold->take_table(what.table_oid);
    }
    co_return by;
}

// Before PostgreSQL 16 every member could give things to the role that it is a member of.
constexpr const char* may_hand_over_sql = R"sql(
    SELECT quote_ident(pg_get_userbyid(nspowner)) AS owner, quote_ident(current_user) AS me,
           pg_has_role(nspowner, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS may
      FROM pg_namespace WHERE nspname = ANY ($1::text[]) ORDER BY may LIMIT 1)sql";

/// What is made anew for the job belongs to the role that all the rest belongs to: whoever cannot give it things would
/// come as far as the swap, and fail there.
awaitable<void> require_hand_over(pg::connection& session, const task::kind& kind, const job::record& what) {
    if (!what.plan || kind.reached(what).in_effect) {
        co_return;
    }
    const std::string schemas = pg::array_literal(kind.own_schemas(what.id));
    const pg::result row = co_await session.query(may_hand_over_sql, schemas);
    if (!row.empty() && !row.boolean(0, "may")) {
        throw error(exit_code::refused,
                    fmt::format("job {} is role {}'s, and role {} may not give it what the job still needs: it is a "
                                "member WITH SET FALSE, or none",
                                what.id, row.text(0, "owner"), row.text(0, "me")),
                    fmt::format("connect as role {0}, or: GRANT {0} TO {1} WITH SET TRUE", row.text(0, "owner"),
                                row.text(0, "me")));
    }
}

awaitable<void> take_locks(session_set& sessions, const job::record& what) {
    std::string name;
    auto by = co_await take_both(sessions, what, name);
    while (by && sessions.own.count(*by) > 0) {  // the table may be held by another one of ours than the job
        co_await job::end_backend(sessions.hold->session(), *by);
        by = co_await take_both(sessions, what, name);
    }
    if (by) {
        job::throw_held(name, *by);
    }
}

}  // namespace

awaitable<job::record> take_over(session_set& sessions, const task::kind& kind, std::int64_t job, job::requests what) {
    co_await job::bring_state_up_to_date(sessions.hold->session());
    co_await job::require_own_state_of(sessions.hold->session(), job);
    const job::record before = co_await job::load(sessions.hold->session(), job);
    co_await job::require_not_restored(sessions.hold->session(), before);
    co_await require_hand_over(sessions.hold->session(), kind, before);
    std::vector<qualified_name> written = kind.written_tables(before);  // a plan of another version is refused here
    co_await take_locks(sessions, before);
    const std::vector<job::record> others = co_await job::load_others_of_group(sessions.hold->session(), job);
    for (const job::record& each : others) {
        co_await take_locks(sessions, each);
        const std::vector<qualified_name> theirs = kind.written_tables(each);  // their plans are of the same kind
        written.insert(written.end(), theirs.begin(), theirs.end());
    }
    // By this name a later attempt ends what this one leaves on the server, should its connections be lost too.
    sessions.pool.name_sessions(job::session_name(job));
    const auto session = co_await sessions.pool.acquire();
    co_await job::take_on(*session, job, others, written, what);
    job::record now = co_await job::load(*session, job);
    co_return now;
}

awaitable<pending_creation> note_creation(session_set& sessions, pg::connection& session, std::int64_t job) {
    const pg::result row =
        co_await session.query("SELECT pg_current_xact_id(), token FROM pgeist.jobs WHERE id = $1", job);
    pending_creation when;
    when.job = job;
    when.xid = row.text(0, 0);
    when.token = row.text(0, 1);
    // Over another session: what this server does not let us ask would end the transaction.
    when.where = co_await job::identify(sessions.hold->session(), job, deadline::in(answer_timeout));
    co_return when;
}

namespace {

/// Whether the job is there; nothing while that is not certain.
awaitable<std::optional<bool>> ask_for_creation(session_set& sessions, const pending_creation& when,
                                                std::string& problem) {
    std::optional<bool> born;
    const auto soon = deadline::in(answer_timeout);
    const auto session = co_await sessions.pool.acquire();
    const job::identity now = co_await job::identify(*session, when.job, soon);
    if (now.in_recovery || job::other_place(when.where, now)) {
        problem = "the server that answers is a standby, or another one";
        co_return born;
    }
    const bool ended = co_await job::has_ended(*session, when.xid, soon);
    if (ended) {
        // That schema pgeist may not be there either is the same answer.
        const bool present = co_await job::has_state_schema(*session);
        born = false;
        if (present) {
            const pg::result row = co_await session->query(
                soon, "SELECT FROM pgeist.jobs WHERE id = $1 AND token = $2::uuid", when.job, when.token);
            born = !row.empty();
        }
    }
    co_return born;
}

}  // namespace

awaitable<job::record> resolve_creation(session_set& sessions, const task::kind& kind, pending_creation when,
                                        std::chrono::milliseconds longest) {
    const auto until = deadline::in(longest);
    std::string problem;
    sessions.pool.admit_only("");
    for (int attempt = 1;; ++attempt) {
        co_await pg::sleep_for(reconnect_policy::pause(attempt));
        sessions.pool.close_idle();  // a new one may lead to the right server
        try {
            const auto born = co_await ask_for_creation(sessions, when, problem);
            if (born && !*born) {
                throw error(exit_code::connection_lost, "the connection was lost before the job was made",
                            "nothing was changed: run it again");
            }
            if (born) {
                co_await open_hold(sessions);
                job::record made = co_await take_over(sessions, kind, when.job);
                co_return made;
            }
        } catch (const pg::sql_error& failure) {
            problem = failure.what();
            sessions.pool.admit_only("");
        }
        if (until.passed()) {
            throw error(exit_code::connection_lost,
                        fmt::format("the connection was lost while the job was made: {}", problem),
                        fmt::format("the source table is untouched; if pgeist status shows job {}, go on with: pgeist "
                                    "resume {}; otherwise run it again",
                                    when.job, when.job));
        }
    }
}

}  // namespace pgeist::supervise
