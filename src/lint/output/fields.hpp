#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <boost/json.hpp>

#include "pgeist/lint/lint.hpp"

/// What the formats share.
namespace pgeist::lint {

[[nodiscard]] boost::json::array strings(const std::vector<std::string>& texts);
[[nodiscard]] boost::json::array locks_of(const probe::effect& does);
/// `3 statements in 1 file: 1 error, 0 warnings; PostgreSQL 15, static`
[[nodiscard]] std::string summary(const report& found, const settings& options);
/// `1 error`, `2 errors`
[[nodiscard]] std::string counted(std::size_t count, std::string_view what);
/// `ACCESS EXCLUSIVE on public.t, SHARE on public.u`
[[nodiscard]] std::string lock_list(const probe::effect& does);
/// Control characters and line ends as spaces: for one line of a terminal or a log.
[[nodiscard]] std::string one_line(std::string_view text);
/// At most `most` characters.
[[nodiscard]] std::string shortened(const std::string& text, std::size_t most);

}  // namespace pgeist::lint
