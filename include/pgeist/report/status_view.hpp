#pragma once

#include <string>
#include <vector>

#include "pgeist/job/status.hpp"
#include "pgeist/report/terminal.hpp"

namespace pgeist::report {

/// One job as one JSON object on one line, without the line feed.
[[nodiscard]] std::string status_json(const job::status& job);

/// All jobs, one a line, with a heading; `no jobs` when there are none.
[[nodiscard]] std::string status_table(const std::vector<job::status>& jobs, const terminal& screen);

/// One job, one fact a line.
[[nodiscard]] std::string status_detail(const job::status& job, const terminal& screen);

/// Nothing will change any more unless somebody acts: done, failed, cancelled, reverted, interrupted.
[[nodiscard]] bool at_rest(const job::status& job);

}  // namespace pgeist::report
