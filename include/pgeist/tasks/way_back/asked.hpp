#pragma once

#include <string>
#include <vector>

#include "pgeist/job/record.hpp"

namespace pgeist::way_back {

/// What `pgeist revert` asks for, as members of what is stored of the way back: see job::save_revert(). `before`: the
/// job's settings without those of this revert, see restore_settings().
[[nodiscard]] std::string members_of_request(const std::vector<std::string>& lose, bool only_check,
                                             const run::settings& before);

/// What is given to one `pgeist revert` is not for the next, nor for whoever keeps the table in step: takes it out of
/// the job's settings again, also after one that was killed. `job` as it was loaded; its settings are set, too.
[[nodiscard]] awaitable<void> restore_settings(pg::connection& session, job::tenure mine, job::record& job);

}  // namespace pgeist::way_back
