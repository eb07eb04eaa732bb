#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/core/identifier.hpp"
#include "pgeist/job/requests.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/settings/settings.hpp"

namespace pgeist::job {

/// A job as stored in `pgeist.jobs`.
struct record {
    std::int64_t id = 0;
    qualified_name table;
    std::int64_t table_oid = 0;
    std::string kind;    ///< of work: task::labels_of_kind::name
    std::string change;  ///< what the user asked for, as JSON that the kind reads
    run::settings settings;
    std::optional<std::string> plan;      ///< all that the phases need to know, likewise; absent until it is made
    std::optional<std::string> way_back;  ///< how the tables change places again, likewise; absent: they never will
    std::optional<std::string> revert;    ///< what is known of that, and asked of it
    std::string phase;                    ///< the one to be done next, by its name
    std::string state;
    std::string token;             ///< of this very job, wherever its database is
    std::int64_t incarnation = 1;  ///< which process in turn works on it
    control_request asked;         ///< what still holds of what others asked for
    std::int64_t obeyed = 0;       ///< number of the last request that a run has obeyed, settings included
    std::int64_t compared = 0;     ///< number of the last `pgeist verify` that a run has answered
};

/// SQL that is true of a row of pgeist.jobs, by its alias, that a dump has brought here: a dump that is taken while a
/// job is at work holds its row and its tables, but restored these are others, which nothing catches up with.
[[nodiscard]] std::string restored_condition(const std::string& alias);

/// The number that the next job would get: for a plan, which must not use it up.
[[nodiscard]] awaitable<std::int64_t> next_number(pg::connection& session);

/// What a new job begins with.
struct beginning {
    std::string kind;
    qualified_name table;
    std::int64_t table_oid = 0;
    std::string change;
    run::settings settings;
    std::string phase;
};
/// Adds a job. @returns its id, and the first tenure of it
[[nodiscard]] awaitable<tenure> create(pg::connection& session, beginning what);
/// Of which kind a job's work is. Reads nothing else of its row, which may be of another version. To be asked under
/// guard_state() where the state may be somebody else's.
/// @throws error (refused) when there is no such job
[[nodiscard]] awaitable<std::string> kind_of(pg::connection& session, std::int64_t job);
/// @throws error (refused) when there is no such job
[[nodiscard]] awaitable<record> load(pg::connection& session, std::int64_t job);
/// @param rows how many there will be to count, by estimate
[[nodiscard]] awaitable<void> save_plan(pg::connection& session, std::int64_t job, std::string plan, std::int64_t rows);
[[nodiscard]] awaitable<void> change_plan(pg::connection& session, std::int64_t job, std::string plan);
/// @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> save_phase(pg::connection& session, tenure mine, std::string phase);
/// Removes the job with all that is stored of it.
[[nodiscard]] awaitable<void> remove(pg::connection& session, std::int64_t job);
/// Of the others of the group that the job leads as well. Does nothing when the job is no longer ours.
[[nodiscard]] awaitable<void> save_state(pg::connection& session, tenure mine, std::string state, std::string message);
[[nodiscard]] awaitable<void> save_settings(pg::connection& session, tenure mine, run::settings now);

/// How the tables change places again; nothing: they never will. @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> save_way_back(pg::connection& session, tenure mine, std::optional<std::string> plan);
/// What people are told of it, a JSON object whose members replace those of the same name.
[[nodiscard]] awaitable<void> save_revert(pg::connection& session, tenure mine, std::string members);
/// Gives the job to another kind of work, in a phase of that one. @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> hand_over(pg::connection& session, tenure mine, std::string kind, std::string phase);

/// Records what the job's result is, so that the same change can be known as done.
/// @throws error (already_running) as require_tenure()
[[nodiscard]] awaitable<void> save_result(pg::connection& session, tenure mine, std::int64_t table_oid,
                                          std::string fingerprint);
/// The job that has made this very change to the table as it is now, if there is one.
[[nodiscard]] awaitable<std::optional<std::int64_t>> find_done(pg::connection& session, std::string change,
                                                               std::int64_t table_oid, std::string fingerprint);

}  // namespace pgeist::job
