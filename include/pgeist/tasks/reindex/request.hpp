#pragma once

#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"

namespace pgeist::reindex {

/// `--repack --only-indexes`, `--index NAME`: what the user asked for.
struct request {
    qualified_name table;              ///< `schema` empty: found through the user's own search_path
    std::vector<std::string> indexes;  ///< as written in SQL, of this table; empty: all that it has

    /// One line, for people.
    [[nodiscard]] std::string describe() const;
};

[[nodiscard]] std::string to_json(const request& what);
/// @throws error when it cannot be read
[[nodiscard]] request request_from_json(const std::string& text);

}  // namespace pgeist::reindex
