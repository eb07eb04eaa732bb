#pragma once

#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/job/tenure.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/steps/step.hpp"

namespace pgeist::native {

/// What a job that is done step by step begins with.
struct beginning {
    std::string kind;      ///< task::labels_of_kind::name
    qualified_name table;  ///< empty: it is about several
    std::int64_t table_oid = 0;
    std::string change;  ///< as the kind reads it
    run::settings chosen;
    std::string phase;  ///< the first one
    std::vector<steps::step> steps;
};

/// Records the job and its steps in the transaction that is open, whose session's profile the job keeps.
/// @returns its first tenure. The state schema must be there.
[[nodiscard]] awaitable<job::tenure> record_job(pg::connection& session, beginning what);

/// The plan of such a job, as it is stored: what shapes values in its sessions.
[[nodiscard]] std::string plan_with(const pg::session_profile& profile);
[[nodiscard]] pg::session_profile profile_in(const std::string& plan);

}  // namespace pgeist::native
