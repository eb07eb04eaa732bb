#pragma once

#include <string>
#include <vector>

#include "pgeist/ddl/migration.hpp"

namespace pgeist::lint {

/// A comment that says which findings are not to count.
struct ignore {
    std::vector<std::string> rules;  ///< empty: all of them
    std::string reason;
    bool whole_file = false;
    bool foreign = false;  ///< of another tool: unknown names and disuse are its own affair
    std::size_t line = 1;
    std::size_t column = 1;
    std::size_t step = 0;  ///< of the file's steps; only without whole_file
    bool placed = false;   ///< whether there is a statement that it can be about
};

/// The ignores of a file: before, within or behind a statement ("behind" is the line of its semicolon).
[[nodiscard]] std::vector<ignore> find_ignores(const ddl::migration& file, bool foreign_too);

}  // namespace pgeist::lint
