#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>
#include <utility>

#include "pgeist/pg/connection.hpp"
#include "pgeist/pg/transaction.hpp"

namespace pgeist::job {

// The rows of schema `pgeist` are statements that a run executes, and its tables may have triggers and the like:
// whoever owns any of it, or may write there, decides what is executed by those who use it. It may have been made by
// anybody who may create schemas, before pgeist was ever used. So there are two questions.
//
// Whose is it? One's own, if all of it belongs to the session's own role, to one that the session's is a member of, to
// the database's owner, or to a superuser; if nobody else may write there (but ask for something in jobs.control, and
// note it in events); and if nothing that others have made hangs on the tables. For a session that can become a
// superuser memberships and the database's owner do not count: anybody who administers a role can make a superuser a
// member of it. Only on a state of one's own a job is run, gone on with or compared: its rows are executed. The
// exception is the owner of the job's own table, whose functions a run executes anyway.
//
// Is it as pgeist makes it? Then somebody else's may be looked at and written to, but nothing of its rows is executed:
// a superuser steers, and cleans up, the jobs of others. guard_state() sees to it that it stays so meanwhile.
//
// No command uses the view and the function that are in the schema for people who have only psql: nobody looks at what
// is in those.

/// Whether schema `pgeist` with its tables is there. Executes nothing of what is in it.
/// @throws error (refused) naming what belongs to whom, when it is neither one's own nor as pgeist makes it
[[nodiscard]] awaitable<bool> has_state_schema(pg::connection& session);

/// The same for who only reads pgeist.jobs, in the transaction that is open: a table of somebody else's will do if it
/// is one of plain columns on which nothing hangs that could be executed. Locks: a table of somebody else's SHARE
/// UPDATE EXCLUSIVE, so that it stays like that; waits five seconds at most.
/// @throws error (refused) as above
[[nodiscard]] awaitable<bool> has_readable_jobs(pg::connection& session);

/// has_state_schema() for who reads and writes in the transaction that is open, and goes on being true until it ends.
/// Locks: tables of somebody else's SHARE UPDATE EXCLUSIVE, and for a superuser the schema's name; waits for each
/// lock_timeout, or five seconds if there is none. Who may not lock the tables, as one that may only steer, has but
/// looked. @throws as above
[[nodiscard]] awaitable<bool> guard_state(pg::connection& session);

/// Whether what stands in the rows may be executed, whatever the job. True when there is no schema `pgeist`.
[[nodiscard]] awaitable<bool> is_own_state(pg::connection& session);

/// For who is about to begin a job on a table. @throws error (refused) when the state is not one's own, nor that of the
/// table's owner
[[nodiscard]] awaitable<void> require_own_state(pg::connection& session, std::int64_t table_oid);

/// The same for who goes on with a job that is there; in no transaction. All that its row says of its table must be of
/// tables of the role whose state it is.
[[nodiscard]] awaitable<void> require_own_state_of(pg::connection& session, std::int64_t job);

/// Takes away what roles may do in a state of one's own that are not to: default privileges have given it them. The
/// right of UPDATE alone, which may have been given for steering, stays, and makes the state nobody's own.
[[nodiscard]] awaitable<void> repair_rights(pg::connection& session);

template <class Body>
[[nodiscard]] awaitable<void> after_guard(pg::connection& session, const Body& body) {
    static_cast<void>(co_await guard_state(session));
    co_await body();
}

/// pg::transaction() under guard_state().
template <class Body>
requires std::is_void_v<pg::yield_of<Body>>
[[nodiscard]] awaitable<void> guarded(pg::connection& session, const Body& body) {
    const auto watched = [&] { return after_guard(session, body); };
    co_await pg::transaction(session, pg::isolation::read_committed, watched);
}

/// As above. @returns what `body` returns
template <class Body>
requires(!std::is_void_v<pg::yield_of<Body>>)
    [[nodiscard]] awaitable<pg::yield_of<Body>> guarded(pg::connection& session, const Body& body) {
    std::optional<pg::yield_of<Body>> out;
    const auto keeping = [&] { return pg::keep_yield(body, out); };
    co_await guarded(session, keeping);
    co_return std::move(*out);
}

}  // namespace pgeist::job
