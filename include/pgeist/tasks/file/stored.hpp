#pragma once

#include <string>

#include "pgeist/plan/migration_file.hpp"

namespace pgeist::file {

/// In the job's row.
inline constexpr const char* kind_name = "file";

/// The change of a job: which file it is. The statements themselves are the job's steps.
[[nodiscard]] std::string change_of(const plan::migration_file& file);
/// For people: `orders.sql (4 statements)`.
[[nodiscard]] std::string describe_change(const std::string& change);

}  // namespace pgeist::file
