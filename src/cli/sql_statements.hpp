#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgeist::cli {

/// Cuts an SQL script into its statements at the semicolons outside of quotes and comments. The statements are given
/// without their semicolons and without white space around them; those with nothing but comments are left out.
[[nodiscard]] std::vector<std::string> split_statements(std::string_view script);

}  // namespace pgeist::cli
