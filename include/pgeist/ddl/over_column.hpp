#pragma once

#include <optional>
#include <string>
#include <vector>

namespace pgeist::ddl {

/// An expression over one column.
struct expression_of_column {
    std::string text;
    std::vector<std::string> functions;  ///< that it calls, as ddl::expression has them
};

/// `text`, an expression that reads column `from` and nothing else, with column `to` in its place. Nothing where it
/// reads another column, a whole row or no column at all, has a subquery, or is newer than the parser.
[[nodiscard]] std::optional<expression_of_column> over_column(const std::string& text, const std::string& from,
                                                              const std::string& to);

}  // namespace pgeist::ddl
