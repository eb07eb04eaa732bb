#pragma once

#include <string>
#include <vector>

#include "pgeist/report/status.hpp"
#include "pgeist/report/terminal/terminal.hpp"

namespace pgeist::report {

/// All jobs, one a line, with a heading; `no jobs` when there are none.
[[nodiscard]] std::string status_table(const std::vector<job_status>& jobs, const terminal& screen);

/// One job, one fact a line.
[[nodiscard]] std::string status_detail(const job_status& job, const terminal& screen);

/// Nothing will change any more unless somebody acts: done, failed, cancelled, reverted, interrupted.
[[nodiscard]] bool at_rest(const job_status& job);

}  // namespace pgeist::report
