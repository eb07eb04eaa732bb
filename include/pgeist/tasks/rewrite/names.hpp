#pragma once

#include <cstdint>
#include <string>

// The schemas of a rewrite's own, by the job's number alone: they are found without its plan.
namespace pgeist::rewrite {

/// In the job's row.
inline constexpr const char* kind_name = "copy";

/// In the row of a revertible job whose tables have changed places, and how that kind of work begins.
inline constexpr const char* kind_of_way_back = "way_back";
inline constexpr const char* first_phase_of_way_back = "window";
/// The same of the job that leads, where several tables have changed places together; those of the others are of the
/// kind above.
inline constexpr const char* kind_of_groups_way_back = "group_way_back";
/// Both, as an array of text.
inline constexpr const char* kinds_of_way_back = "{way_back,group_way_back}";
[[nodiscard]] inline bool is_way_back(const std::string& kind) {
    return kind == kind_of_way_back || kind == kind_of_groups_way_back;
}

/// Shadow, change log, trigger functions; after the swap the old table.
[[nodiscard]] inline std::string job_schema(std::int64_t job) { return "pgeist_" + std::to_string(job); }
/// Logs what is written to the new table, for the way back; and, when that has been gone, to the old one.
[[nodiscard]] inline std::string back_schema(std::int64_t job) { return job_schema(job) + "_back"; }
[[nodiscard]] inline std::string again_schema(std::int64_t job) { return job_schema(job) + "_again"; }
/// Empty but within the swap, when two tables of one name change places.
[[nodiscard]] inline std::string passage_schema(std::int64_t job) { return job_schema(job) + "_old"; }

}  // namespace pgeist::rewrite
