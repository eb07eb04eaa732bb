#pragma once

#include <string>

#include "pgeist/report/status.hpp"

namespace pgeist::report {

/// One job as one JSON object on one line, without the line feed.
[[nodiscard]] std::string status_json(const job_status& job);

}  // namespace pgeist::report
