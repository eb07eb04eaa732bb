#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// First key of the two-key advisory lock on a job: "pgej" in ASCII, so that other users of advisory locks do not meet
/// ours.
inline constexpr int job_space = 0x7067656a;

/// A session on the server, told from all that have had, or will get, its number.
struct backend {
    int pid = 0;
    std::string start;  ///< seconds since 1970, as connection::backend_start()

    friend bool operator<(const backend& a, const backend& b) {
        return std::tie(a.pid, a.start) < std::tie(b.pid, b.start);
    }
};

/// Who holds a lock that we wanted.
struct holder : backend {
    std::string user;
    std::string application;
};

/// The right to work on a job and on its table: advisory locks of one session, which the server gives up when the
/// session ends, so that a stale lock cannot exist. Keeps its own connection, used for nothing that could block.
class advisory_locks {
public:
    explicit advisory_locks(std::unique_ptr<pg::connection> session) : session_(std::move(session)) {}

    /// Takes the lock on the table with this oid, or tells who has it. Does not wait.
    [[nodiscard]] awaitable<std::optional<holder>> take_table(std::int64_t table_oid);
    /// Takes the lock on the job, or tells who has it. Does not wait.
    [[nodiscard]] awaitable<std::optional<holder>> take_job(std::int64_t job);

    [[nodiscard]] pg::connection& session() noexcept { return *session_; }
    [[nodiscard]] backend which() const { return {session_->backend_pid(), session_->backend_start()}; }

private:
    [[nodiscard]] awaitable<std::optional<holder>> take(int space, std::int64_t id);
    std::unique_ptr<pg::connection> session_;
};

/// Name of all sessions that work on a job: `pgeist job 7`.
[[nodiscard]] std::string session_name(std::int64_t job);

/// Ends what is left of earlier runs of a job: sessions of its name and of our role whose client is gone or was cut
/// off, and which may still be at work or hold locks. Only for who holds the job's lock. Waits until they have ended.
/// @throws error (already_running) when one has not after ten seconds
[[nodiscard]] awaitable<void> end_orphans(pg::connection& session, std::int64_t job);

/// Ends one session of our own and waits for that.
/// @throws error (already_running) when it has not ended after ten seconds
[[nodiscard]] awaitable<void> end_backend(pg::connection& session, backend which);

/// SQL condition: this session is on the server that is asked.
[[nodiscard]] std::string exists_condition(const backend& which);

/// SQL condition: the backend of which `pid` is the SQL expression holds the job of which `id` is.
[[nodiscard]] std::string held_by_condition(const std::string& id, const std::string& pid);

/// SQL condition on `pg_locks l`: somebody holds the job of which `id` is the SQL expression.
[[nodiscard]] std::string held_condition(const std::string& id);

/// Takes the lock on a table, or on a job. @throws error (already_running) naming the holder
[[nodiscard]] awaitable<void> claim_table(advisory_locks& hold, std::int64_t table_oid, qualified_name name);
[[nodiscard]] awaitable<void> claim_job(advisory_locks& hold, std::int64_t job);

/// @throws error (already_running) naming the holder
[[noreturn]] void throw_held(const std::string& what, const holder& by);

}  // namespace pgeist::job
