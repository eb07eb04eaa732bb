#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/pg/connection.hpp"

namespace pgeist::job {

/// A migration file that was run in this database, or is being run.
struct known_file {
    std::string name;  ///< as it was called
    bool done = false;
    std::int64_t job = 0;  ///< 0: it was cleaned up
    std::string done_at;   ///< for people; empty: it is not, or its job has just come to its end
    bool alive = false;    ///< a process is at work on the job
};

/// What a file is known by. `identity` as plan::migration_file has it. @throws sql_error
[[nodiscard]] awaitable<std::string> file_digest(pg::connection& session, std::string identity);
/// Nothing where no file of these statements was run to its end, or is stopped in the middle.
[[nodiscard]] awaitable<std::optional<known_file>> find_file(pg::connection& session, std::string digest);

/// When a run of the file has begun that was removed before its end, for people; nothing where there is none. What it
/// had done stays done, and nothing is known of it.
[[nodiscard]] awaitable<std::optional<std::string>> removed_run(pg::connection& session, std::string digest);

/// What is noted of a file whose job is made.
struct file_run {
    std::string digest;
    std::string name;
    std::int64_t statements = 0;
    std::int64_t job = 0;
    std::string undoes;                 ///< digest of the file that it takes back; empty: none
    std::optional<std::string> before;  ///< as last_begun() was when it was decided to run it
};
/// When a run of the file has begun last, whatever became of it.
[[nodiscard]] awaitable<std::optional<std::string>> last_begun(pg::connection& session, std::string digest);
/// To be called in the transaction that makes the file's job.
/// @throws error (already_running) when another run of it has begun meanwhile
[[nodiscard]] awaitable<void> note_file(pg::connection& session, file_run what);
/// Whether there is a file that is not to be run again, although its job is gone.
[[nodiscard]] awaitable<bool> has_history(pg::connection& session);
/// Before the row of a job goes: that its file was run to its end, if it was. In no transaction, or any.
[[nodiscard]] awaitable<void> keep_file(pg::connection& session, std::int64_t job);

}  // namespace pgeist::job
