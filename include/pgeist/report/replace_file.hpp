#pragma once

#include <string>
#include <string_view>

namespace pgeist::report {

/// Who may read a file, as far as the umask lets them: figures are for everybody; what tells queries of other sessions
/// or keys of rows is for the owner and the group.
enum class readers { everybody, owner_and_group };

/// Writes a file so that a reader sees the old or the new content and nothing in between: into a temporary file of the
/// same folder, which then takes its name. Follows no link that somebody has put there. @returns what went wrong; empty
/// when nothing did
[[nodiscard]] std::string replace_file(const std::string& path, std::string_view content, readers who);

}  // namespace pgeist::report
