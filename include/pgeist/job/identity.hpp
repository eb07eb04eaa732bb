#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/job/record.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// What tells the database that a job is in from every other one, also from a copy of it: a run that has lost its
/// connection goes on only where it was. Empty texts and absent numbers: this server does not say.
struct identity {
    std::string system;                    ///< system identifier, from initdb
    std::optional<std::int64_t> timeline;  ///< grows with each promotion
    std::optional<std::int64_t> flushed;   ///< WAL position, bytes; within a timeline it never goes back
    std::string database;                  ///< OID
    bool in_recovery = false;              ///< a standby: it may be promoted yet
    std::string token;                     ///< of the job; empty: there is no such job
    std::int64_t incarnation = 0;
};

/// Asks the server. `until` bounds it. Takes no lock. @throws sql_error only when the connection is lost
[[nodiscard]] awaitable<identity> identify(pg::connection& session, std::int64_t job, deadline until);

/// Why `now` is another cluster or database than `known`, or as it was earlier, whatever is there of the job; nothing
/// when it is the same.
[[nodiscard]] std::optional<std::string> other_place(const identity& known, const identity& now);

/// Why `now` is not the place where a run that last saw `known` may go on; nothing when it is. A server on a later
/// timeline may have lost the end of its WAL: the job goes on from the state that is there, if it is still our tenure.
[[nodiscard]] std::optional<std::string> difference(const identity& known, const identity& now);

/// Of another job on the same server.
[[nodiscard]] identity identity_of(const identity& server, const record& job);

/// Whether a transaction has ended, one way or the other, or never came to be: after its commit was lost on the way.
/// `xid` as pg_current_xact_id() gave it. @throws sql_error
[[nodiscard]] awaitable<bool> has_ended(pg::connection& session, std::string xid, deadline until);

}  // namespace pgeist::job
