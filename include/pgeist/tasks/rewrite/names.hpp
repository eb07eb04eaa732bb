#pragma once

#include <cstdint>
#include <string>

// The schemas of a rewrite's own, by the job's number alone: they are found without its plan.
namespace pgeist::rewrite {

/// In the job's row.
inline constexpr const char* kind_name = "copy";

/// Shadow, change log, trigger functions; after the swap the old table.
[[nodiscard]] inline std::string job_schema(std::int64_t job) { return "pgeist_" + std::to_string(job); }
/// Empty but within the swap, when two tables of one name change places.
[[nodiscard]] inline std::string passage_schema(std::int64_t job) { return job_schema(job) + "_old"; }

}  // namespace pgeist::rewrite
