#pragma once

#include <string>
#include <string_view>

namespace pgeist::report {

/// Writes a file so that a reader sees the old or the new content and nothing in between: into a temporary file of the
/// same folder, which then takes its name. @returns what went wrong; empty when nothing did
[[nodiscard]] std::string replace_file(const std::string& path, std::string_view content);

}  // namespace pgeist::report
